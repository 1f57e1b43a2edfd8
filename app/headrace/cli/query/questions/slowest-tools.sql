-- Which tools are slow?
-- Calls that ended; by the time that 95 % of them stay below. Milliseconds on the agent's own clock.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    tool,
    count() AS calls,
    round(quantile(0.5)(duration_ms)) AS p50_ms,
    round(quantile(0.95)(duration_ms)) AS p95_ms,
    round(max(duration_ms)) AS max_ms,
    round(sum(duration_ms) / 1000, 2) AS total_s
FROM events
WHERE type = 'tool_complete' AND tool != ''
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, tool
ORDER BY p95_ms DESC, tenant, tool
LIMIT 20
