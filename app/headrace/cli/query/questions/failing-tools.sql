-- Which tools fail, how often, and with what?
-- latest_error is what the latest failed call said.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    tool,
    count() AS calls,
    countIf(status = 'error') AS failed,
    round(failed / calls, 3) AS failure_rate,
    argMaxIf(JSONExtractString(data, 'error'), time, status = 'error') AS latest_error
FROM events
WHERE type = 'tool_complete' AND tool != ''
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, tool
HAVING failed > 0
ORDER BY failed DESC, failure_rate DESC, tenant, tool
LIMIT 20
