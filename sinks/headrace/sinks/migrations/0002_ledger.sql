-- The ledger: what was archived of each epoch, kept when the events themselves are gone. Only
-- aggregates of sets and extremes, so that a row that arrives twice changes nothing.
CREATE TABLE IF NOT EXISTS {database}.epochs_ledger {on_cluster}
(
    tenant String,
    session String,
    epoch String,
    archived AggregateFunction(groupBitmap, UInt64),
    last_seq SimpleAggregateFunction(max, UInt64),
    first_ts SimpleAggregateFunction(min, Float64),
    last_ts SimpleAggregateFunction(max, Float64),
    end_seq SimpleAggregateFunction(max, UInt64)
)
ENGINE = {aggregating}
ORDER BY (tenant, session, epoch);

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.epochs_ledger_feed {on_cluster}
TO {database}.epochs_ledger
AS SELECT
    tenant,
    session,
    epoch,
    groupBitmapState(seq) AS archived,
    max(seq) AS last_seq,
    min(ts) AS first_ts,
    max(ts) AS last_ts,
    max(if(type = 'headrace.epoch_end', seq, 0)) AS end_seq
FROM {database}.events_raw
GROUP BY tenant, session, epoch;

CREATE TABLE IF NOT EXISTS {database}.dropped_ledger {on_cluster}
(
    tenant String,
    session String,
    epoch String,
    seq UInt64,
    reason String,
    first_seq UInt64,
    last_seq UInt64,
    count UInt64,
    ts Float64
)
ENGINE = {replacing}
ORDER BY (tenant, session, epoch, seq);

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.dropped_ledger_feed {on_cluster}
TO {database}.dropped_ledger
AS SELECT
    tenant,
    session,
    epoch,
    seq,
    JSONExtractString(data, 'reason') AS reason,
    JSONExtractUInt(data, 'first_seq') AS first_seq,
    JSONExtractUInt(data, 'last_seq') AS last_seq,
    JSONExtractUInt(data, 'count') AS count,
    ts
FROM {database}.events_raw
WHERE type = 'headrace.dropped';
