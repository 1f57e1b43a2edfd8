-- Some providers number the calls of each turn from 0. As in the spans, a question or a start begins a
-- call where none of its id waits to be started, and in another turn; an end belongs to what is there.
--
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
        -- What came before the first beginning, which was lost, is of the first call.
        greatest(sum(multiIf(
            state < 2, ifNull(before != in_turn * 4, 1),
            state = 2, before % 4 = 2 AND intDiv(before, 4) != in_turn,
            0
        )) OVER (
            PARTITION BY tenant, session, epoch, call ORDER BY seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ), 1) AS number
    FROM
    (
        SELECT
            *,
            toUInt64(coalesce(turn, 0)) AS in_turn,
            -- In which an event leaves its call: 0 waiting to be started, 1 running, 2 ended.
            multiIf(
                type IN ('permission_decision', 'tool_confirmation'), 0,
                type = 'tool_start', 1,
                type = 'tool_complete', 2,
                3
            ) AS state,
            last_value(if(state < 3, toNullable(in_turn * 4 + state), NULL)) OVER (
                PARTITION BY tenant, session, epoch, call ORDER BY seq
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS before
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
        )
        WHERE call != ''
    )
) AS e
GROUP BY e.tenant, e.session, e.epoch, e.call, e.number;
