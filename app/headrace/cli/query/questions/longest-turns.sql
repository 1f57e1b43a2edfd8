-- Which turns took longest?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    session,
    turn,
    user,
    round(duration_ms / 1000, 1) AS seconds,
    llm_calls,
    tool_calls,
    if(ended, if(incomplete_reason != '', incomplete_reason, status), 'open') AS ended_with,
    substringUTF8(user_message, 1, 80) AS message
FROM turns
WHERE started_at >= since AND started_at < until AND (only_tenant = '' OR tenant = only_tenant)
ORDER BY duration_ms DESC, tenant, session, turn
LIMIT 20
