-- What does it cost, day by day?
-- USD by the table of prices (HEADRACE_PRICES), days in UTC. From the metrics.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    toDate(start, 'UTC') AS day,
    tenant,
    round(sum(sum), 4) AS usd
FROM metrics
WHERE metric = 'agent.llm.cost'
    AND start >= since AND start < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY day, tenant
ORDER BY day DESC, usd DESC, tenant
LIMIT 100
