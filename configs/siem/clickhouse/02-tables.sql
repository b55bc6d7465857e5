-- Tables of Kagami's ECS records (format = "ecs") for what is asked most, filled from kagami.raw as records come.
-- Load 01-raw.sql first. What is not here is in kagami.raw: JSONExtractString(record, 'tls', 'curve').
-- IPv4 addresses stand as ::ffff:192.0.2.1: WHERE source_ip = toIPv6('192.0.2.1').
-- Times are the record's; bytes are octets, durations nanoseconds, as in docs/FORMATS.md.

CREATE TABLE IF NOT EXISTS kagami.flow
(
    sensor              LowCardinality(String),
    run                 LowCardinality(String),
    seq                 UInt64,
    time                DateTime64(9, 'UTC'),
    source_ip           IPv6,
    source_port         UInt16,
    source_name         String,
    source_user         String,
    destination_ip      IPv6,
    destination_port    UInt16,
    destination_name    String,
    flow_id             String,
    community_id        String,
    start               DateTime64(9, 'UTC'),
    duration            UInt64,
    transport           LowCardinality(String),
    protocol            LowCardinality(String),
    direction           LowCardinality(String),
    conn_state          LowCardinality(String),
    action              LowCardinality(String),
    end_reason          LowCardinality(String),
    source_bytes        UInt64,
    source_packets      UInt64,
    destination_bytes   UInt64,
    destination_packets UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toStartOfHour(time), source_ip, sensor, run, seq)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS kagami.flow_from_raw TO kagami.flow AS
WITH JSONExtract(record, 'Tuple(
            source Tuple(ip String, port UInt16, domain String, user Tuple(name String), bytes UInt64, packets UInt64),
            destination Tuple(ip String, port UInt16, domain String, bytes UInt64, packets UInt64),
            network Tuple(bytes UInt64, packets UInt64, transport String, protocol String, direction String, community_id String),
            event Tuple(id String, start String, duration UInt64, reason String),
            kagami Tuple(flow Tuple(id String), conn Tuple(state String), firewall Tuple(action String)))') AS r
SELECT
    sensor, run, seq, fromUnixTimestamp64Nano(at, 'UTC') AS time,
    toIPv6OrDefault(r.source.ip) AS source_ip,
    r.source.port AS source_port,
    r.source.domain AS source_name,
    r.source.user.name AS source_user,
    toIPv6OrDefault(r.destination.ip) AS destination_ip,
    r.destination.port AS destination_port,
    r.destination.domain AS destination_name,
    r.kagami.flow.id AS flow_id,
    r.network.community_id AS community_id,
    parseDateTime64BestEffortOrZero(r.event.start, 9, 'UTC') AS start,
    r.event.duration AS duration,
    r.network.transport AS transport,
    r.network.protocol AS protocol,
    r.network.direction AS direction,
    r.kagami.conn.state AS conn_state,
    r.kagami.firewall.action AS action,
    r.event.reason AS end_reason,
    r.source.bytes AS source_bytes,
    r.source.packets AS source_packets,
    r.destination.bytes AS destination_bytes,
    r.destination.packets AS destination_packets
FROM kagami.raw
WHERE kind = 'flow';

CREATE TABLE IF NOT EXISTS kagami.dns
(
    sensor            LowCardinality(String),
    run               LowCardinality(String),
    seq               UInt64,
    time              DateTime64(9, 'UTC'),
    source_ip         IPv6,
    source_port       UInt16,
    source_name       String,
    source_user       String,
    destination_ip    IPv6,
    destination_port  UInt16,
    destination_name  String,
    flow_id           String,
    protocol          LowCardinality(String),
    type              LowCardinality(String),
    question          String,
    question_type     LowCardinality(String),
    registered_domain String,
    response_code     LowCardinality(String),
    answers           Array(String),
    resolved_ip       Array(String),
    rtt               UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toStartOfHour(time), source_ip, sensor, run, seq)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS kagami.dns_from_raw TO kagami.dns AS
WITH JSONExtract(record, 'Tuple(
            source Tuple(ip String, port UInt16, domain String, user Tuple(name String)),
            destination Tuple(ip String, port UInt16, domain String),
            network Tuple(protocol String),
            event Tuple(id String, action String),
            dns Tuple(type String, question Tuple(name String, type String, registered_domain String), response_code String, answers Array(Tuple(data String)), resolved_ip Array(String)),
            kagami Tuple(flow Tuple(id String), dns Tuple(rtt UInt64)))') AS r
SELECT
    sensor, run, seq, fromUnixTimestamp64Nano(at, 'UTC') AS time,
    toIPv6OrDefault(r.source.ip) AS source_ip,
    r.source.port AS source_port,
    r.source.domain AS source_name,
    r.source.user.name AS source_user,
    toIPv6OrDefault(r.destination.ip) AS destination_ip,
    r.destination.port AS destination_port,
    r.destination.domain AS destination_name,
    r.kagami.flow.id AS flow_id,
    r.network.protocol AS protocol,
    r.dns.type AS type,
    r.dns.question.name AS question,
    r.dns.question.type AS question_type,
    r.dns.question.registered_domain AS registered_domain,
    r.dns.response_code AS response_code,
    r.dns.answers.data AS answers,
    r.dns.resolved_ip AS resolved_ip,
    r.kagami.dns.rtt AS rtt
FROM kagami.raw
WHERE kind = 'dns';

CREATE TABLE IF NOT EXISTS kagami.http
(
    sensor           LowCardinality(String),
    run              LowCardinality(String),
    seq              UInt64,
    time             DateTime64(9, 'UTC'),
    source_ip        IPv6,
    source_port      UInt16,
    source_name      String,
    source_user      String,
    destination_ip   IPv6,
    destination_port UInt16,
    destination_name String,
    flow_id          String,
    method           LowCardinality(String),
    status           UInt16,
    url              String,
    url_domain       String,
    referrer         String,
    user_agent       LowCardinality(String),
    user             String,
    mime_type        LowCardinality(String),
    request_bytes    UInt64,
    response_bytes   UInt64,
    duration         UInt64,
    proxied          Bool,
    proxy_cache      LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toStartOfHour(time), source_ip, sensor, run, seq)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS kagami.http_from_raw TO kagami.http AS
WITH JSONExtract(record, 'Tuple(
            source Tuple(ip String, port UInt16, domain String, user Tuple(name String)),
            destination Tuple(ip String, port UInt16, domain String),
            event Tuple(id String, outcome String, duration UInt64),
            http Tuple(request Tuple(method String, body Tuple(bytes UInt64), bytes UInt64, referrer String), response Tuple(status_code UInt16, mime_type String, body Tuple(bytes UInt64), bytes UInt64), version String),
            url Tuple(full String, original String, domain String),
            user_agent Tuple(original String),
            user Tuple(name String),
            kagami Tuple(flow Tuple(id String), proxy Tuple(cache String), http Tuple(proxied Bool)))') AS r
SELECT
    sensor, run, seq, fromUnixTimestamp64Nano(at, 'UTC') AS time,
    toIPv6OrDefault(r.source.ip) AS source_ip,
    r.source.port AS source_port,
    r.source.domain AS source_name,
    r.source.user.name AS source_user,
    toIPv6OrDefault(r.destination.ip) AS destination_ip,
    r.destination.port AS destination_port,
    r.destination.domain AS destination_name,
    r.kagami.flow.id AS flow_id,
    r.http.request.method AS method,
    r.http.response.status_code AS status,
    if(r.url.full = '', r.url.original, r.url.full) AS url,
    r.url.domain AS url_domain,
    r.http.request.referrer AS referrer,
    r.user_agent.original AS user_agent,
    r.user.name AS user,
    r.http.response.mime_type AS mime_type,
    r.http.request.bytes AS request_bytes,
    r.http.response.bytes AS response_bytes,
    r.event.duration AS duration,
    r.kagami.http.proxied AS proxied,
    r.kagami.proxy.cache AS proxy_cache
FROM kagami.raw
WHERE kind = 'http';

CREATE TABLE IF NOT EXISTS kagami.tls
(
    sensor             LowCardinality(String),
    run                LowCardinality(String),
    seq                UInt64,
    time               DateTime64(9, 'UTC'),
    source_ip          IPv6,
    source_port        UInt16,
    source_name        String,
    source_user        String,
    destination_ip     IPv6,
    destination_port   UInt16,
    destination_name   String,
    flow_id            String,
    protocol           LowCardinality(String),
    server_name        String,
    version            LowCardinality(String),
    cipher             LowCardinality(String),
    next_protocol      LowCardinality(String),
    established        Bool,
    resumed            Bool,
    ja3                String,
    ja3s               String,
    ja4                String,
    subject            String,
    issuer             String,
    not_after          DateTime64(3, 'UTC'),
    certificate_sha256 String,
    self_signed        Bool,
    via                LowCardinality(String),
    outcome            LowCardinality(String),
    reason             String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toStartOfHour(time), source_ip, sensor, run, seq)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS kagami.tls_from_raw TO kagami.tls AS
WITH JSONExtract(record, 'Tuple(
            source Tuple(ip String, port UInt16, domain String, user Tuple(name String)),
            destination Tuple(ip String, port UInt16, domain String),
            event Tuple(id String, outcome String, reason String),
            network Tuple(protocol String),
            tls Tuple(version String, cipher String, established Bool, resumed Bool, next_protocol String, client Tuple(server_name String, ja3 String), server Tuple(ja3s String, subject String, issuer String, not_after String, hash Tuple(sha256 String))),
            kagami Tuple(flow Tuple(id String), tls Tuple(ja4 String, self_signed Bool, via String)))') AS r
SELECT
    sensor, run, seq, fromUnixTimestamp64Nano(at, 'UTC') AS time,
    toIPv6OrDefault(r.source.ip) AS source_ip,
    r.source.port AS source_port,
    r.source.domain AS source_name,
    r.source.user.name AS source_user,
    toIPv6OrDefault(r.destination.ip) AS destination_ip,
    r.destination.port AS destination_port,
    r.destination.domain AS destination_name,
    r.kagami.flow.id AS flow_id,
    r.network.protocol AS protocol,
    r.tls.client.server_name AS server_name,
    r.tls.version AS version,
    r.tls.cipher AS cipher,
    r.tls.next_protocol AS next_protocol,
    r.tls.established AS established,
    r.tls.resumed AS resumed,
    r.tls.client.ja3 AS ja3,
    r.tls.server.ja3s AS ja3s,
    r.kagami.tls.ja4 AS ja4,
    r.tls.server.subject AS subject,
    r.tls.server.issuer AS issuer,
    parseDateTime64BestEffortOrZero(r.tls.server.not_after, 3, 'UTC') AS not_after,
    r.tls.server.hash.sha256 AS certificate_sha256,
    r.kagami.tls.self_signed AS self_signed,
    r.kagami.tls.via AS via,
    r.event.outcome AS outcome,
    r.event.reason AS reason
FROM kagami.raw
WHERE kind = 'tls';

CREATE TABLE IF NOT EXISTS kagami.alert
(
    sensor           LowCardinality(String),
    run              LowCardinality(String),
    seq              UInt64,
    time             DateTime64(9, 'UTC'),
    source_ip        IPv6,
    source_port      UInt16,
    source_name      String,
    source_user      String,
    destination_ip   IPv6,
    destination_port UInt16,
    destination_name String,
    alert_id         String,
    incident         String,
    update           UInt32,
    rule             LowCardinality(String),
    severity         LowCardinality(String),
    level            LowCardinality(String),
    score            Float64,
    title            String,
    title_ja         String,
    destination      String,
    start            DateTime64(9, 'UTC'),
    evidence         Array(String),
    evidence_ja      Array(String),
    benign           String,
    technique        Array(String),
    fetch            String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toStartOfHour(time), source_ip, sensor, run, seq)
TTL toDateTime(time) + INTERVAL 1 YEAR
SETTINGS non_replicated_deduplication_window = 10000;

CREATE MATERIALIZED VIEW IF NOT EXISTS kagami.alert_from_raw TO kagami.alert AS
WITH JSONExtract(record, 'Tuple(
            source Tuple(ip String, port UInt16, domain String, user Tuple(name String)),
            destination Tuple(ip String, port UInt16, domain String, address String),
            event Tuple(id String, start String, reason String),
            rule Tuple(name String),
            threat Tuple(technique Tuple(id Array(String))),
            kagami Tuple(alert Tuple(incident String, update UInt32, level String, score Float64, severity String, evidence Array(String), evidence_ja Array(String), title_ja String, benign String, fetch String)))') AS r
SELECT
    sensor, run, seq, fromUnixTimestamp64Nano(at, 'UTC') AS time,
    toIPv6OrDefault(r.source.ip) AS source_ip,
    r.source.port AS source_port,
    r.source.domain AS source_name,
    r.source.user.name AS source_user,
    toIPv6OrDefault(r.destination.ip) AS destination_ip,
    r.destination.port AS destination_port,
    r.destination.domain AS destination_name,
    r.event.id AS alert_id,
    r.kagami.alert.incident AS incident,
    r.kagami.alert.update AS update,
    r.rule.name AS rule,
    r.kagami.alert.severity AS severity,
    r.kagami.alert.level AS level,
    r.kagami.alert.score AS score,
    r.event.reason AS title,
    r.kagami.alert.title_ja AS title_ja,
    r.destination.address AS destination,
    parseDateTime64BestEffortOrZero(r.event.start, 9, 'UTC') AS start,
    r.kagami.alert.evidence AS evidence,
    r.kagami.alert.evidence_ja AS evidence_ja,
    r.kagami.alert.benign AS benign,
    r.threat.technique.id AS technique,
    r.kagami.alert.fetch AS fetch
FROM kagami.raw
WHERE kind = 'alert';
