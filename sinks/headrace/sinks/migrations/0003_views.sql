-- What people query. Each starts with the tenant and holds no row twice. FINAL reads after the key
-- filter, and partitions need no merging among themselves: a week follows from the event's bytes.
CREATE OR REPLACE VIEW {database}.events {on_cluster} AS
SELECT
    tenant,
    session,
    user,
    agent,
    epoch,
    seq,
    turn,
    time,
    type,
    hot.tool AS tool,
    hot.call_id AS call_id,
    hot.status AS status,
    hot.model AS model,
    hot.error_class AS error_class,
    hot.reason AS reason,
    hot.outcome AS outcome,
    hot.decision AS decision,
    hot.finish_reason AS finish_reason,
    hot.incomplete_reason AS incomplete_reason,
    coalesce(hot.duration_ms, duration_ms) AS duration_ms,
    duration_ms AS source_duration_ms,
    hot.first_token_ms AS first_token_ms,
    hot.prompt_tokens AS prompt_tokens,
    hot.completion_tokens AS completion_tokens,
    hot.cache_read_tokens AS cache_read_tokens,
    trace,
    ts,
    data,
    data_json,
    ingested_at
FROM {database}.events_raw FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1;

CREATE OR REPLACE VIEW {database}.sessions {on_cluster} AS
SELECT
    e.tenant,
    e.session,
    argMinIf(e.user, e.time, e.user != '') AS user,
    argMinIf(e.agent, e.time, e.agent != '') AS agent,
    min(e.time) AS started_at,
    max(e.time) AS last_event_at,
    uniqExact(e.epoch) AS epochs,
    -- An epoch that was closed in order, which says nothing of the agent's success.
    uniqExactIf(e.epoch, e.type = 'headrace.epoch_end') AS closed_epochs,
    uniqExactIf((e.epoch, e.turn), e.turn IS NOT NULL) AS turns,
    countIf(e.type = 'tool_complete') AS tool_calls,
    countIf(e.type = 'tool_complete' AND e.status = 'error') AS tool_errors,
    countIf(e.type = 'llm_call_completed') AS llm_calls,
    countIf(e.type = 'llm_call_completed' AND e.status = 'error') AS llm_errors,
    countIf(e.type = 'llm_retry') AS llm_retries,
    sumIf(e.prompt_tokens, e.type = 'llm_call_completed') AS prompt_tokens,
    sumIf(e.completion_tokens, e.type = 'llm_call_completed') AS completion_tokens,
    sumIf(e.cache_read_tokens, e.type = 'llm_call_completed') AS cached_tokens,
    count() AS events
FROM {database}.events AS e
GROUP BY e.tenant, e.session;

CREATE OR REPLACE VIEW {database}.turns {on_cluster} AS
SELECT
    e.tenant,
    e.session,
    e.epoch,
    assumeNotNull(e.turn) AS turn,
    argMinIf(e.user, e.seq, e.user != '') AS user,
    argMinIf(e.agent, e.seq, e.agent != '') AS agent,
    min(e.time) AS started_at,
    max(e.time) AS last_event_at,
    max(if(e.type = 'turn_end', toNullable(e.time), NULL)) AS ended_at,
    countIf(e.type = 'turn_end') > 0 AS ended,
    -- Monotonic where the source measured it.
    coalesce(
        maxIf(e.source_duration_ms, e.type = 'turn_end'),
        dateDiff('microsecond', min(e.time), max(e.time)) / 1000
    ) AS duration_ms,
    anyIf(JSONExtractString(e.data, 'user_message'), e.type = 'turn_begin') AS user_message,
    anyIf(JSONExtractString(e.data, 'final_text'), e.type = 'turn_end') AS final_text,
    anyIf(e.status, e.type = 'turn_end') AS status,
    anyIf(e.incomplete_reason, e.type = 'turn_end') AS incomplete_reason,
    anyIf(JSONExtractString(e.data, 'error'), e.type = 'turn_end') AS error,
    countIf(e.type = 'tool_complete') AS tool_calls,
    countIf(e.type = 'tool_complete' AND e.status = 'error') AS tool_errors,
    countIf(e.type = 'llm_call_completed') AS llm_calls,
    countIf(e.type = 'llm_retry') AS llm_retries,
    sumIf(e.prompt_tokens, e.type = 'llm_call_completed') AS prompt_tokens,
    sumIf(e.completion_tokens, e.type = 'llm_call_completed') AS completion_tokens,
    sumIf(e.cache_read_tokens, e.type = 'llm_call_completed') AS cached_tokens,
    count() AS events
FROM {database}.events AS e
WHERE e.turn IS NOT NULL
GROUP BY e.tenant, e.session, e.epoch, e.turn;

-- A confirmation's answer has no call_id of its own: it belongs to the latest question about the
-- same tool in its epoch.
CREATE OR REPLACE VIEW {database}.tool_calls {on_cluster} AS
SELECT
    e.tenant,
    e.session,
    e.epoch,
    max(e.turn) AS turn,
    e.call AS call_id,
    argMinIf(e.user, e.seq, e.user != '') AS user,
    argMinIf(e.agent, e.seq, e.agent != '') AS agent,
    -- A sub-agent's start is labelled for people ("[researcher 1/5] read_file"), its end is not.
    argMinIf(e.tool, (e.type != 'tool_complete', e.type = 'tool_start', e.seq), e.tool != '') AS tool,
    anyIf(JSONExtractRaw(e.data, 'args'), e.type = 'tool_start') AS args,
    min(e.time) AS first_event_at,
    min(if(e.type = 'tool_start', toNullable(e.time), NULL)) AS started_at,
    countIf(e.type = 'tool_complete') > 0 AS completed,
    if(completed, toString(anyIf(e.status, e.type = 'tool_complete')), 'open') AS status,
    maxIf(e.duration_ms, e.type = 'tool_complete') AS duration_ms,
    anyIf(JSONExtractString(e.data, 'error'), e.type = 'tool_complete') AS error,
    anyIf(e.decision, e.type = 'permission_decision') AS permission,
    anyIf(e.reason, e.type = 'permission_decision') AS permission_reason,
    countIf(e.type = 'tool_confirmation') > 0 AS confirmation_asked,
    anyIf(e.outcome, e.type = 'confirmation_resolved') AS confirmation,
    max(if(e.type = 'confirmation_resolved', toNullable(JSONExtractFloat(e.data, 'wait_ms')), NULL))
        AS confirmation_wait_ms,
    countIf(e.type = 'tool_output') AS output_chunks
FROM
(
    SELECT
        *,
        if(
            type = 'confirmation_resolved' AND call_id = '',
            last_value(nullIf(if(type = 'tool_confirmation', call_id, ''), '')) OVER (
                PARTITION BY tenant, session, epoch, tool ORDER BY seq
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
            ),
            call_id
        ) AS call
    FROM {database}.events
    WHERE type IN ('tool_start', 'tool_complete', 'tool_output', 'tool_confirmation',
        'confirmation_resolved', 'permission_decision')
) AS e
WHERE e.call != ''
GROUP BY e.tenant, e.session, e.epoch, e.call;

-- The calls of an epoch's model are told apart by their starts: what follows a start is its.
CREATE OR REPLACE VIEW {database}.llm_calls {on_cluster} AS
SELECT
    e.tenant,
    e.session,
    e.epoch,
    max(e.turn) AS turn,
    e.call AS call_number,
    argMinIf(e.user, e.seq, e.user != '') AS user,
    argMinIf(e.agent, e.seq, e.agent != '') AS agent,
    anyIf(e.model, e.type = 'llm_call_started') AS model,
    min(e.time) AS started_at,
    countIf(e.type = 'llm_call_completed') > 0 AS completed,
    if(completed, toString(anyIf(e.status, e.type = 'llm_call_completed')), 'open') AS status,
    maxIf(e.duration_ms, e.type = 'llm_call_completed') AS duration_ms,
    coalesce(
        maxIf(e.first_token_ms, e.type = 'llm_call_completed'),
        minIf(e.source_duration_ms, e.type IN ('llm_text', 'thinking'))
    ) AS first_chunk_ms,
    maxIf(e.prompt_tokens, e.type = 'llm_call_completed') AS prompt_tokens,
    maxIf(e.completion_tokens, e.type = 'llm_call_completed') AS completion_tokens,
    maxIf(e.cache_read_tokens, e.type = 'llm_call_completed') AS cached_tokens,
    anyIf(e.finish_reason, e.type = 'llm_call_completed') AS finish_reason,
    anyIf(e.error_class, e.type = 'llm_call_completed') AS error_class,
    anyIf(JSONExtractString(e.data, 'error_message'), e.type = 'llm_call_completed') AS error,
    countIf(e.type = 'llm_retry') AS retries,
    groupArrayIf(toString(e.reason), e.type = 'llm_retry') AS retry_reasons
FROM
(
    SELECT
        *,
        countIf(type = 'llm_call_started') OVER (
            PARTITION BY tenant, session, epoch ORDER BY seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS call
    FROM {database}.events
    WHERE type IN ('llm_call_started', 'llm_call_completed', 'llm_retry', 'llm_text', 'thinking')
) AS e
WHERE e.call > 0
GROUP BY e.tenant, e.session, e.epoch, e.call;

-- For the accounting. An epoch is closed when its end marker is there; last_seq is then the count
-- of numbers that it drew. archived_seqs holds each number once, however often it was sent.
CREATE OR REPLACE VIEW {database}.epochs {on_cluster} AS
SELECT
    l.tenant,
    l.session,
    l.epoch,
    groupBitmapMerge(l.archived) AS archived,
    bitmapToArray(groupBitmapMergeState(l.archived)) AS archived_seqs,
    max(l.last_seq) AS last_seq,
    max(l.end_seq) AS end_seq,
    max(l.end_seq) > 0 AS closed,
    fromUnixTimestamp64Micro(toInt64(round(min(l.first_ts) * 1000000)), 'UTC') AS first_event_at,
    fromUnixTimestamp64Micro(toInt64(round(max(l.last_ts) * 1000000)), 'UTC') AS last_event_at
FROM {database}.epochs_ledger AS l
GROUP BY l.tenant, l.session, l.epoch;

CREATE OR REPLACE VIEW {database}.dropped {on_cluster} AS
SELECT
    tenant,
    session,
    epoch,
    seq,
    reason,
    first_seq,
    last_seq,
    count,
    fromUnixTimestamp64Micro(toInt64(round(ts * 1000000)), 'UTC') AS told_at
FROM {database}.dropped_ledger FINAL;
