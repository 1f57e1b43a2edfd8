-- Spans in the layout of the OpenTelemetry Collector's ClickHouse exporter, so that boards which
-- were made for it work here; whose they are stands beside. What such a board calls otel_traces is
-- the view below: a span that was written twice is one row in it. Of two states of a span (its turn
-- was closed for dead, and then came to its end) the longer is the later one, in whatever order
-- they arrive. The archive writes to otel_traces_in, at the end. The partition and the sorting key
-- are of the span's beginning, so that FINAL need not merge across partitions; boards filter by what
-- the key begins with.
CREATE TABLE IF NOT EXISTS {database}.otel_traces_raw {on_cluster}
(
    Timestamp DateTime64(9) COMMENT 'When the span began' CODEC(Delta(8), ZSTD(1)),
    TraceId String COMMENT '32 hex digits' CODEC(ZSTD(1)),
    SpanId String COMMENT '16 hex digits' CODEC(ZSTD(1)),
    ParentSpanId String COMMENT 'None for the first of a trace' CODEC(ZSTD(1)),
    TraceState String CODEC(ZSTD(1)),
    SpanName LowCardinality(String) CODEC(ZSTD(1)),
    SpanKind LowCardinality(String) COMMENT 'Internal, Client' CODEC(ZSTD(1)),
    ServiceName LowCardinality(String) CODEC(ZSTD(1)),
    ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    ScopeName String CODEC(ZSTD(1)),
    ScopeVersion String COMMENT 'Of the semantic conventions' CODEC(ZSTD(1)),
    SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    Duration UInt64 COMMENT 'Nanoseconds' CODEC(T64, ZSTD(1)),
    StatusCode LowCardinality(String) COMMENT 'Unset, Ok, Error' CODEC(ZSTD(1)),
    StatusMessage String CODEC(ZSTD(1)),
    Events Nested (
        Timestamp DateTime64(9),
        Name LowCardinality(String),
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    Links Nested (
        TraceId String,
        SpanId String,
        TraceState String,
        Attributes Map(LowCardinality(String), String)
    ) CODEC(ZSTD(1)),
    tenant String COMMENT 'Customer that the span belongs to',
    session String COMMENT 'Conversation, as the agent named it',
    user String COMMENT 'User that the agent works for',
    ingested_at DateTime DEFAULT now() COMMENT 'When the archive wrote the row: rows go by it',
    refused_if UInt8 MATERIALIZED
        throwIf(tenant = '', 'tenant is empty')
        + throwIf(NOT match(TraceId, '^[0-9a-f]+$') OR length(TraceId) != 32, 'TraceId is not 32 hex digits')
        + throwIf(NOT match(SpanId, '^[0-9a-f]+$') OR length(SpanId) != 16, 'SpanId is not 16 hex digits')
        + throwIf(toUnixTimestamp64Nano(Timestamp) <= 0, 'Timestamp is not in ns since 1970')
        + throwIf(NOT (isValidUTF8(tenant) AND isValidUTF8(session) AND isValidUTF8(user)
            AND isValidUTF8(SpanName)), 'text is not UTF-8')
        COMMENT 'Refuses what has no identity',
    INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
    INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX idx_duration Duration TYPE minmax GRANULARITY 1
)
ENGINE = {replacing}(Duration)
PARTITION BY toDate(Timestamp)
PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp))
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp, TraceId, SpanId)
SETTINGS index_granularity = 8192;

-- The last two columns, which SELECT * leaves out, have names that every MergeTree table gives a row's
-- place: by them ClickStack tells the spans that it compares, and hints where to read. Here they are
-- made of the span's ids: by a real place the part with a span's later state might be passed over.
CREATE OR REPLACE VIEW {database}.otel_traces {on_cluster}
(
    Timestamp DateTime64(9),
    TraceId String,
    SpanId String,
    ParentSpanId String,
    TraceState String,
    SpanName LowCardinality(String),
    SpanKind LowCardinality(String),
    ServiceName LowCardinality(String),
    ResourceAttributes Map(LowCardinality(String), String),
    ScopeName String,
    ScopeVersion String,
    SpanAttributes Map(LowCardinality(String), String),
    Duration UInt64,
    StatusCode LowCardinality(String),
    StatusMessage String,
    `Events.Timestamp` Array(DateTime64(9)),
    `Events.Name` Array(LowCardinality(String)),
    `Events.Attributes` Array(Map(LowCardinality(String), String)),
    `Links.TraceId` Array(String),
    `Links.SpanId` Array(String),
    `Links.TraceState` Array(String),
    `Links.Attributes` Array(Map(LowCardinality(String), String)),
    tenant String,
    session String,
    user String,
    _part String ALIAS TraceId,
    _part_offset UInt64 ALIAS cityHash64(SpanId)
)
AS SELECT
    Timestamp,
    TraceId,
    SpanId,
    ParentSpanId,
    TraceState,
    SpanName,
    SpanKind,
    ServiceName,
    ResourceAttributes,
    ScopeName,
    ScopeVersion,
    SpanAttributes,
    Duration,
    StatusCode,
    StatusMessage,
    `Events.Timestamp`,
    `Events.Name`,
    `Events.Attributes`,
    `Links.TraceId`,
    `Links.SpanId`,
    `Links.TraceState`,
    `Links.Attributes`,
    tenant,
    session,
    user
FROM {database}.otel_traces_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- When each trace began and ended: boards look here first, and then at that time only. Extremes, so
-- that what arrives twice changes nothing. Whose it is stands here for being forgotten alone.
CREATE TABLE IF NOT EXISTS {database}.otel_traces_trace_id_ts {on_cluster}
(
    TraceId String CODEC(ZSTD(1)),
    Start SimpleAggregateFunction(min, DateTime64(9)) CODEC(ZSTD(1)),
    End SimpleAggregateFunction(max, DateTime64(9)) CODEC(ZSTD(1)),
    tenant String,
    session String,
    user String,
    ingested_at SimpleAggregateFunction(max, DateTime) DEFAULT now()
)
ENGINE = {aggregating}
PARTITION BY toStartOfWeek(Start)
ORDER BY (TraceId, tenant, session, user)
SETTINGS index_granularity = 8192;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.otel_traces_trace_id_ts_mv {on_cluster}
TO {database}.otel_traces_trace_id_ts
AS SELECT
    TraceId,
    min(Timestamp) AS Start,
    max(Timestamp) AS End,
    tenant,
    session,
    user
FROM {database}.otel_traces_raw
GROUP BY TraceId, tenant, session, user, toStartOfWeek(Timestamp);

-- Where the archive writes. Servers differ in what a bare number means to a DateTime64, so the lines'
-- nanoseconds are taken for what they are, whole numbers, and made times here. Keeps nothing.
CREATE TABLE IF NOT EXISTS {database}.otel_traces_in {on_cluster}
(
    Timestamp Int64,
    TraceId String,
    SpanId String,
    ParentSpanId String,
    TraceState String,
    SpanName String,
    SpanKind String,
    ServiceName String,
    ResourceAttributes Map(String, String),
    ScopeName String,
    ScopeVersion String,
    SpanAttributes Map(String, String),
    Duration UInt64,
    StatusCode String,
    StatusMessage String,
    Events Nested (Timestamp Int64, Name String, Attributes Map(String, String)),
    Links Nested (
        TraceId String, SpanId String, TraceState String, Attributes Map(String, String)
    ),
    tenant String,
    session String,
    user String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.otel_traces_in_mv {on_cluster}
TO {database}.otel_traces_raw
AS SELECT
    fromUnixTimestamp64Nano(given.Timestamp) AS Timestamp,
    TraceId,
    SpanId,
    ParentSpanId,
    TraceState,
    SpanName,
    SpanKind,
    ServiceName,
    ResourceAttributes,
    ScopeName,
    ScopeVersion,
    SpanAttributes,
    Duration,
    StatusCode,
    StatusMessage,
    arrayMap(ns -> fromUnixTimestamp64Nano(ns), given.Events.Timestamp) AS `Events.Timestamp`,
    Events.Name AS `Events.Name`,
    Events.Attributes AS `Events.Attributes`,
    Links.TraceId AS `Links.TraceId`,
    Links.SpanId AS `Links.SpanId`,
    Links.TraceState AS `Links.TraceState`,
    Links.Attributes AS `Links.Attributes`,
    tenant,
    session,
    user
FROM {database}.otel_traces_in AS given;
