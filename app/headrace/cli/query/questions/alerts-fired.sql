-- Which alerts fired, how often, and for how long?
-- Seconds count from the first bad window to when it was over; open ones are not in it.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    rule,
    severity,
    uniqExactIf(id, state = 'firing') AS fired,
    round(avgIf(dateDiff('second', starts_at, ends_at), state = 'resolved')) AS seconds_on_average,
    max(at) AS latest_at
FROM alert_transitions
WHERE at >= since AND at < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, rule, severity
HAVING fired > 0
ORDER BY fired DESC, tenant, rule
LIMIT 20
