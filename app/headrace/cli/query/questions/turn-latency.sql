-- How long do people wait for an answer, hour by hour?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    toStartOfHour(time, 'UTC') AS hour,
    tenant,
    count() AS turns,
    round(quantile(0.5)(source_duration_ms)) AS p50_ms,
    round(quantile(0.95)(source_duration_ms)) AS p95_ms,
    round(max(source_duration_ms)) AS max_ms
FROM events
WHERE type = 'turn_end'
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY hour, tenant
ORDER BY hour DESC, tenant
LIMIT 168
