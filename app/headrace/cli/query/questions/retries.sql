-- Which models must be asked again, and why?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    model,
    arrayJoin(retry_reasons) AS why,
    count() AS times,
    uniqExact(session) AS sessions,
    max(started_at) AS latest_at
FROM llm_calls
WHERE notEmpty(retry_reasons)
    AND started_at >= since AND started_at < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, model, why
ORDER BY times DESC, tenant, model, why
LIMIT 20
