-- What do sub-agents do, and what do they take?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    JSONExtractString(data, 'agent') AS sub_agent,
    count() AS runs,
    countIf(JSONExtractString(data, 'state') != 'completed') AS not_completed,
    round(quantile(0.95)(duration_ms)) AS p95_ms,
    sum(JSONExtractUInt(data, 'tool_calls')) AS tool_calls,
    sum(JSONExtractUInt(data, 'tokens')) AS tokens
FROM events
WHERE type = 'agent_end'
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, sub_agent
ORDER BY runs DESC, tenant, sub_agent
LIMIT 20
