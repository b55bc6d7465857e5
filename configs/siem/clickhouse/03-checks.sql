-- What to ask once a minute: both views are empty as long as all is well. Load 01-raw.sql first.
-- A name is the sensor's own ([account] sensor), not the host that sent it.

-- Sensors whose last heartbeat is older than three minutes; after a day of silence a sensor is forgotten.
CREATE VIEW IF NOT EXISTS kagami.silent AS
SELECT JSONExtractString(record, 'kagami.export', 'sensor') AS name, max(time) AS last
FROM kagami.raw
WHERE kind = 'heartbeat' AND time > now() - INTERVAL 1 DAY
GROUP BY name
HAVING last < now() - INTERVAL 3 MINUTE;

-- Heartbeats that say what the sensor itself lost: records of its queue, records refused, packets.
CREATE VIEW IF NOT EXISTS kagami.lost AS
WITH JSONExtract(record, 'Tuple(
            kagami Tuple(heartbeat Tuple(packets Tuple(dropped UInt64), records Tuple(refused UInt64,
                lost Tuple(flows UInt64, protocols UInt64, identities UInt64, alerts UInt64)))))') AS r
SELECT time, JSONExtractString(record, 'kagami.export', 'sensor') AS name, JSONExtractString(record, 'kagami.export', 'name') AS export,
       r.kagami.heartbeat.records.lost.flows + r.kagami.heartbeat.records.lost.protocols + r.kagami.heartbeat.records.lost.identities AS records,
       r.kagami.heartbeat.records.lost.alerts AS alerts,
       r.kagami.heartbeat.records.refused AS refused,
       r.kagami.heartbeat.packets.dropped AS packets
FROM kagami.raw
WHERE kind = 'heartbeat' AND records + alerts + refused + packets > 0;

-- Numbers that are missing in all that is stored. kagami verify says which, and also what was altered.
CREATE VIEW IF NOT EXISTS kagami.missing AS
SELECT JSONExtractString(record, 'kagami.export', 'sensor') AS name,
       JSONExtractString(record, 'kagami.export', 'boot') AS boot,
       JSONExtractString(record, 'kagami.export', 'name') AS export,
       min(number) AS first, max(number) AS last,
       last - first + 1 - uniqExact(JSONExtractUInt(record, 'kagami.export', 'seq') AS number) AS missing
FROM kagami.raw
WHERE boot != ''
GROUP BY name, boot, export
HAVING missing > 0;
