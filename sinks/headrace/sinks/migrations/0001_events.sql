-- Every event once it is merged; readers use the views of 0003, which hide what is not merged yet.
-- The sorting key is the identity and then a fingerprint: the same event sent twice is one row, two
-- different events under one identity stay two, so that `headrace verify` can name them.
-- `data` is the exact text. JSON is parsed into typed columns once (one Tuple, one parse; not
-- for the commonest types, the chunks of a model's answer, which hold none of them) and the
-- whole of it only when a query asks for data_json: a JSON column costs 10 us an event to write.
CREATE TABLE IF NOT EXISTS {database}.events_raw {on_cluster}
(
    tenant String COMMENT 'Customer that the event belongs to',
    session String COMMENT 'Conversation, as the agent named it',
    epoch String COMMENT '16 hex digits, one per process, producer and session',
    seq UInt64 COMMENT 'Number within the epoch, from 1, without holes',
    ts Float64 COMMENT 'Seconds since 1970 on the source',
    type String COMMENT 'Kind of event',
    data String COMMENT 'Payload: the exact JSON text' CODEC(ZSTD(1)),
    v UInt8 COMMENT 'Version of the envelope',
    user String COMMENT 'User that the agent works for',
    agent String COMMENT 'Agent (or sub-agent)',
    trace String COMMENT 'W3C traceparent',
    turn Nullable(UInt32) COMMENT 'Turn within the session',
    duration_ms Nullable(Float64) COMMENT 'Monotonic duration that only the source knows',
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
    hot Tuple(
        tool String,
        call_id String,
        status String,
        model String,
        error_class String,
        reason String,
        outcome String,
        decision String,
        finish_reason String,
        incomplete_reason String,
        duration_ms Nullable(Float64),
        first_token_ms Nullable(Float64),
        prompt_tokens Nullable(UInt64),
        completion_tokens Nullable(UInt64),
        cache_read_tokens Nullable(UInt64)
    ) MATERIALIZED if(type IN ('llm_text', 'thinking'),
        defaultValueOfTypeName('Tuple(tool String, call_id String, status String, model String, error_class String, reason String, outcome String, decision String, finish_reason String, incomplete_reason String, duration_ms Nullable(Float64), first_token_ms Nullable(Float64), prompt_tokens Nullable(UInt64), completion_tokens Nullable(UInt64), cache_read_tokens Nullable(UInt64))'),
        JSONExtract(data, 'Tuple(tool String, call_id String, status String, model String, error_class String, reason String, outcome String, decision String, finish_reason String, incomplete_reason String, duration_ms Nullable(Float64), first_token_ms Nullable(Float64), prompt_tokens Nullable(UInt64), completion_tokens Nullable(UInt64), cache_read_tokens Nullable(UInt64))')),
    data_json Nullable(JSON) ALIAS accurateCastOrNull(data, 'JSON')
)
ENGINE = {replacing}
PARTITION BY toMonday(time)
ORDER BY (tenant, session, epoch, seq, fingerprint);
