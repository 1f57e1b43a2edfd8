-- Which turns never ended?
-- The agent died, or is still at work: see when it was heard of last.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    session,
    turn,
    user,
    started_at,
    last_event_at,
    llm_calls,
    tool_calls,
    substringUTF8(user_message, 1, 80) AS message
FROM turns
WHERE NOT ended
    AND started_at >= since AND started_at < until AND (only_tenant = '' OR tenant = only_tenant)
ORDER BY last_event_at DESC, tenant, session, turn
LIMIT 20
