-- Which events were given up by their producer, and why?
-- `headrace verify` says whether all the others are accounted for.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    reason,
    sum(count) AS events,
    uniqExact(session) AS sessions,
    max(told_at) AS latest_at
FROM dropped
WHERE told_at >= since AND told_at < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, reason
ORDER BY events DESC, tenant, reason
LIMIT 20
