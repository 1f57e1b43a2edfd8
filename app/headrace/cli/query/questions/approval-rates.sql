-- What do people allow, and how long do they take?
-- unanswered: the question stands in the archive, its answer does not.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    tool,
    count() AS asked,
    countIf(confirmation = 'allow') AS allowed,
    countIf(confirmation = 'reject') AS rejected,
    countIf(confirmation = 'timeout') AS timed_out,
    countIf(confirmation = '') AS unanswered,
    round(allowed / asked, 3) AS approval_rate,
    round(quantile(0.5)(confirmation_wait_ms) / 1000, 1) AS p50_wait_s
FROM tool_calls
WHERE confirmation_asked
    AND first_event_at >= since AND first_event_at < until
    AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, tool
ORDER BY asked DESC, tenant, tool
LIMIT 20
