-- How long until the first piece of an answer, by model?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    model,
    count() AS llm_calls,
    round(quantile(0.5)(first_chunk_ms)) AS p50_ms,
    round(quantile(0.95)(first_chunk_ms)) AS p95_ms,
    round(quantile(0.99)(first_chunk_ms)) AS p99_ms,
    round(quantile(0.95)(duration_ms)) AS whole_p95_ms
FROM llm_calls
WHERE first_chunk_ms IS NOT NULL
    AND started_at >= since AND started_at < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, model
ORDER BY p95_ms DESC, tenant, model
LIMIT 20
