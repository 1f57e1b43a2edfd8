-- Log records, and the end markers and told drops of their epochs: agent.logs as it is. The same
-- table as events_raw for the same reasons; `level`, `logger` and the like are parsed once, here.
-- The index is over words of the message and the traceback, in small letters, and is used by
-- hasToken(text, 'word') and text LIKE '%part%' on the view `logs`. It needs ClickHouse 26.2.
CREATE TABLE IF NOT EXISTS {database}.logs_raw {on_cluster}
(
    tenant String COMMENT 'Customer that the record belongs to',
    session String COMMENT 'Conversation, or unbound',
    epoch String COMMENT '16 hex digits, one per process, producer and session',
    seq UInt64 COMMENT 'Number within the epoch, from 1, without holes',
    ts Float64 COMMENT 'Seconds since 1970 on the source: when it was logged',
    type String COMMENT 'log, or what headrace says of the epoch',
    data String COMMENT 'Payload: the exact JSON text' CODEC(ZSTD(1)),
    v UInt8 COMMENT 'Version of the envelope',
    user String COMMENT 'User that the agent works for',
    agent String COMMENT 'Agent (or sub-agent)',
    trace String COMMENT 'W3C traceparent of the span that was current',
    turn Nullable(UInt32) COMMENT 'Turn within the session',
    duration_ms Nullable(Float64) COMMENT 'None: records have no duration',
    ingested_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When the archive wrote the row',
    time DateTime64(6, 'UTC') MATERIALIZED fromUnixTimestamp64Micro(toInt64(round(ts * 1000000))),
    refused_if UInt8 MATERIALIZED
        throwIf(tenant = '', 'tenant is empty')
        + throwIf(session = '', 'session is empty')
        + throwIf(epoch = '', 'epoch is empty')
        + throwIf(seq < 1, 'seq is less than 1')
        + throwIf(type = '', 'type is empty')
        + throwIf(NOT (ts >= 0 AND ts < 4294967296), 'ts is not in seconds since 1970')
        + throwIf(NOT startsWith(data, '{'), 'data is not an object')
        + throwIf(NOT (isValidUTF8(data) AND isValidUTF8(session) AND isValidUTF8(tenant)
            AND isValidUTF8(epoch) AND isValidUTF8(type) AND isValidUTF8(user)
            AND isValidUTF8(agent) AND isValidUTF8(trace)), 'text is not UTF-8')
        COMMENT 'Refuses what has no identity; a column, as chDB skips constraints when streaming',
    fingerprint UInt64 MATERIALIZED cityHash64(type, ts, data),
    said Tuple(
        level String,
        level_no Int32,
        logger String,
        message String,
        exception String,
        file String,
        line UInt32,
        function String,
        thread String,
        process UInt64
    ) MATERIALIZED JSONExtract(data, 'Tuple(level String, level_no Int32, logger String, message String, exception String, file String, line UInt32, function String, thread String, process UInt64)'),
    text String MATERIALIZED lowerUTF8(if(tupleElement(said, 'exception') = '', tupleElement(said, 'message'),
        concat(tupleElement(said, 'message'), '\n', tupleElement(said, 'exception')))),
    INDEX words text TYPE text(tokenizer = 'splitByNonAlpha')
)
ENGINE = {replacing}
PARTITION BY toMonday(time)
ORDER BY (tenant, session, epoch, seq, fingerprint);

-- One ledger for both: an epoch is of events or of log records, never of both.
ALTER TABLE {database}.epochs_ledger {on_cluster}
ADD COLUMN IF NOT EXISTS of_logs SimpleAggregateFunction(max, UInt8)
COMMENT '1: the numbers are of log records';

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.epochs_ledger_feed_logs {on_cluster}
TO {database}.epochs_ledger
AS SELECT
    tenant,
    session,
    epoch,
    groupBitmapState(seq) AS archived,
    max(seq) AS last_seq,
    min(ts) AS first_ts,
    max(ts) AS last_ts,
    max(if(type = 'headrace.epoch_end', seq, 0)) AS end_seq,
    toUInt8(1) AS of_logs
FROM {database}.logs_raw
GROUP BY tenant, session, epoch;

CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.dropped_ledger_feed_logs {on_cluster}
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
FROM {database}.logs_raw
WHERE type = 'headrace.dropped';

CREATE OR REPLACE VIEW {database}.logs {on_cluster} AS
SELECT
    tenant,
    session,
    user,
    agent,
    epoch,
    seq,
    time,
    said.level AS level,
    said.level_no AS level_no,
    said.logger AS logger,
    said.message AS message,
    said.exception AS exception,
    text,
    -- Of 00-<trace id>-<span id>-<flags>; nothing where it is not such.
    if(length(trace) >= 55, substring(trace, 4, 32), '') AS trace_id,
    if(length(trace) >= 55, substring(trace, 37, 16), '') AS span_id,
    said.file AS file,
    said.line AS line,
    said.function AS function,
    said.thread AS thread,
    said.process AS process,
    JSONExtractRaw(data, 'extra') AS extra,
    trace,
    ts,
    data,
    ingested_at
FROM {database}.logs_raw FINAL
WHERE type = 'log'
SETTINGS do_not_merge_across_partitions_select_final = 1;
