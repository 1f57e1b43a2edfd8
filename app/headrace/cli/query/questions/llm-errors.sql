-- Which model calls failed, and with what?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    model,
    error_class,
    count() AS calls,
    uniqExact(session) AS sessions,
    max(started_at) AS latest_at,
    argMax(error, started_at) AS latest_error
FROM llm_calls
WHERE status = 'error'
    AND started_at >= since AND started_at < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, model, error_class
ORDER BY calls DESC, tenant, model, error_class
LIMIT 20
