-- Kagami in ClickHouse 23.8 or later: every record as it is. 02-tables.sql makes tables of them.
--   clickhouse-client --multiquery < 01-raw.sql
-- What is sent again after an answer was lost is told twice over: by the insert's token
-- (non_replicated_deduplication_window; replicated tables have it anyway), and, where a batch was cut
-- differently the second time, by the engine: rows with the same number are one, at the latest when
-- read with FINAL.
CREATE DATABASE IF NOT EXISTS kagami;

CREATE TABLE IF NOT EXISTS kagami.raw
(
    sensor   LowCardinality(String),
    run      LowCardinality(String),        -- names the run of numbers that seq counts in
    seq      UInt64,                        -- a hole in it is a record that never came
    at       Int64,                         -- of the record, nanoseconds since the epoch
    time     DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(at, 'UTC'),
    received DateTime DEFAULT now(),
    kind     LowCardinality(String),
    severity UInt8,                         -- of syslog: 3 a high alert, 4 an alert, 6 the rest
    log      LowCardinality(String),
    stamp    String CODEC(ZSTD(3)),         -- its place in the account, where the format has no room for it:
                                            -- SELECT concat(stamp, record) is what kagami verify reads
    record   String CODEC(ZSTD(3))          -- the line
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (sensor, run, seq)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 10000;

-- The user that Kagami inserts as needs no other right:
--   CREATE USER kagami IDENTIFIED WITH sha256_password BY '...';
--   GRANT INSERT ON kagami.raw TO kagami;
