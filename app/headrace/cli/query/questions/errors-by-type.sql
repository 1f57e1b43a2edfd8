-- What goes wrong, of every kind?
-- Failed tools, model calls and turns, refused permissions, and requests that were tried again.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    multiIf(
        type = 'tool_complete', 'tool failed',
        type = 'llm_call_completed', 'model call failed',
        type = 'turn_end', 'turn failed',
        type = 'permission_decision', 'permission denied',
        'model request tried again'
    ) AS what,
    multiIf(
        type = 'llm_call_completed', error_class,
        type = 'llm_retry', reason,
        type = 'turn_end', if(incomplete_reason != '', incomplete_reason, status),
        tool
    ) AS which,
    count() AS times,
    uniqExact(session) AS sessions,
    max(time) AS latest_at
FROM events
WHERE (type IN ('tool_complete', 'llm_call_completed') AND status = 'error'
        OR type = 'turn_end' AND (status = 'error' OR incomplete_reason != '')
        OR type = 'permission_decision' AND decision = 'deny'
        OR type = 'llm_retry')
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, what, which
ORDER BY times DESC, tenant, what, which
LIMIT 50
