-- Panes as agent.metrics tells them: the newest state of each series, by the offset that it knows.
-- The labels are in the sorting key as they are: a hash could make two series one. The key of the
-- index ends before them. The partition derives from the key, so that FINAL need not merge across.
-- A watermark has no pane of its own and so no age: one row a partition, for ever the newest.
CREATE TABLE IF NOT EXISTS {database}.metric_panes_raw {on_cluster}
(
    tenant String COMMENT 'Customer; none for headrace.watermark',
    metric LowCardinality(String),
    labels Map(LowCardinality(String), String),
    start DateTime('UTC') COMMENT 'Of the pane, in event time' CODEC(Delta, ZSTD(1)),
    seconds UInt32 COMMENT 'Length of the pane',
    log LowCardinality(String) COMMENT 'Cluster and topic whose events were counted',
    partition UInt32 COMMENT 'Of that log',
    generation UInt64 COMMENT 'Offset that opened the pane' CODEC(Delta, ZSTD(1)),
    count UInt64 COMMENT 'Observations' CODEC(ZSTD(1)),
    sum Float64 CODEC(ZSTD(1)),
    buckets Array(UInt64) COMMENT 'Observations by bucket, not cumulative' CODEC(ZSTD(1)),
    offset UInt64 COMMENT 'Last event counted: the greater is the newer' CODEC(Delta, ZSTD(1)),
    refused_if UInt8 MATERIALIZED
        throwIf(metric = '', 'metric is empty')
        + throwIf(tenant = '' AND metric != 'headrace.watermark', 'tenant is empty')
        + throwIf(log = '', 'log is empty')
        + throwIf(seconds = 0, 'seconds is 0')
        COMMENT 'Refuses what has no identity'
)
ENGINE = {replacing}(offset)
PARTITION BY toYYYYMM(start)
PRIMARY KEY (tenant, metric, start)
ORDER BY (tenant, metric, start, mapKeys(labels), mapValues(labels), log, partition, generation)
TTL start + toIntervalDay(400) DELETE WHERE metric != 'headrace.watermark';

-- Transitions as agent.alerts.log tells them, kept for good. Times are as JSON has them; the view
-- makes dates of them. Of one (id, seq) the record that was judged last is the newest.
CREATE TABLE IF NOT EXISTS {database}.alert_transitions_raw {on_cluster}
(
    v UInt8,
    id String,
    seq UInt64,
    rule String,
    state String,
    previous String,
    severity String,
    tenant String,
    `group` Map(String, String),
    labels Map(String, String),
    annotations Map(String, String),
    value Nullable(Float64),
    samples Float64,
    threshold Float64,
    comparison String,
    pane UInt64,
    starts_at Float64,
    ends_at Nullable(Float64),
    at Float64,
    receivers Array(String),
    judged UInt64,
    quiet_since Nullable(UInt64),
    fires Array(UInt64),
    refused_if UInt8 MATERIALIZED
        throwIf(id = '', 'id is empty')
        + throwIf(seq < 1, 'seq is less than 1')
        + throwIf(rule = '', 'rule is empty')
        + throwIf(state = '', 'state is empty')
        + throwIf(NOT (at >= 0 AND at < 4294967296), 'at is not in seconds since 1970')
        COMMENT 'Refuses what has no identity'
)
ENGINE = {replacing}(judged)
ORDER BY (tenant, id, seq);

-- Panes merged over logs, partitions and generations.
CREATE OR REPLACE VIEW {database}.metrics {on_cluster} AS
SELECT
    p.tenant AS tenant,
    p.metric AS metric,
    multiIf(
        p.metric = 'agent.session.active', 'gauge',
        notEmpty(any(p.buckets)), 'histogram',
        'counter'
    ) AS kind,
    p.labels AS labels,
    p.start AS start,
    p.seconds AS seconds,
    sum(p.count) AS count,
    sum(p.sum) AS sum,
    sumForEach(p.buckets) AS buckets
FROM {database}.metric_panes_raw AS p FINAL
WHERE p.metric != 'headrace.watermark'
GROUP BY p.tenant, p.metric, p.labels, p.start, p.seconds
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- Over time counters and histograms add up; of a gauge the largest pane counts.
CREATE OR REPLACE VIEW {database}.metrics_1m {on_cluster} AS
SELECT
    m.tenant AS tenant,
    m.metric AS metric,
    m.kind AS kind,
    m.labels AS labels,
    toStartOfMinute(m.start) AS start,
    toUInt32(60) AS seconds,
    if(m.kind = 'gauge', max(m.count), sum(m.count)) AS count,
    if(m.kind = 'gauge', max(m.sum), sum(m.sum)) AS sum,
    sumForEach(m.buckets) AS buckets
FROM {database}.metrics AS m
GROUP BY m.tenant, m.metric, m.kind, m.labels, toStartOfMinute(m.start);

CREATE OR REPLACE VIEW {database}.metrics_1h {on_cluster} AS
SELECT
    m.tenant AS tenant,
    m.metric AS metric,
    m.kind AS kind,
    m.labels AS labels,
    toStartOfHour(m.start) AS start,
    toUInt32(3600) AS seconds,
    if(m.kind = 'gauge', max(m.count), sum(m.count)) AS count,
    if(m.kind = 'gauge', max(m.sum), sum(m.sum)) AS sum,
    sumForEach(m.buckets) AS buckets
FROM {database}.metrics AS m
GROUP BY m.tenant, m.metric, m.kind, m.labels, toStartOfHour(m.start);

CREATE OR REPLACE VIEW {database}.alert_transitions {on_cluster} AS
SELECT
    tenant,
    id,
    seq,
    rule,
    state,
    previous,
    severity,
    `group` AS group_labels,
    labels,
    annotations,
    value,
    samples,
    threshold,
    comparison,
    toDateTime(pane, 'UTC') AS pane,
    fromUnixTimestamp64Milli(toInt64(round(starts_at * 1000)), 'UTC') AS starts_at,
    fromUnixTimestamp64Milli(toInt64(round(ends_at * 1000)), 'UTC') AS ends_at,
    fromUnixTimestamp64Milli(toInt64(round(at * 1000)), 'UTC') AS at,
    receivers,
    toDateTime(judged, 'UTC') AS judged
FROM {database}.alert_transitions_raw FINAL;
