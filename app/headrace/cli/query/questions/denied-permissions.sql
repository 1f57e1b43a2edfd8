-- What did the permission rules deny, and why?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    tool,
    reason,
    count() AS denied,
    uniqExact(session) AS sessions,
    max(time) AS latest_at
FROM events
WHERE type = 'permission_decision' AND decision = 'deny'
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, tool, reason
ORDER BY denied DESC, tenant, tool, reason
LIMIT 20
