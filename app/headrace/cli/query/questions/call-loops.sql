-- Which agents call the same thing again and again?
-- The same tool with the same arguments at least three times within a turn.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    session,
    turn,
    tool,
    count() AS times,
    countIf(status = 'error') AS failed,
    substringUTF8(args, 1, 80) AS arguments
FROM tool_calls
WHERE started_at >= since AND started_at < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, session, epoch, turn, tool, args
HAVING times >= 3
ORDER BY times DESC, tenant, session, turn, tool
LIMIT 20
