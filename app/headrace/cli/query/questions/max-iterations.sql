-- Which sessions ran out of iterations?
-- The agent was stuck: see what it did with `headrace replay`.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    session,
    any(user) AS by_user,
    count() AS turns,
    min(time) AS first_at,
    max(time) AS latest_at
FROM events
WHERE type = 'turn_end' AND incomplete_reason = 'max_iterations'
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, session
ORDER BY turns DESC, latest_at DESC
LIMIT 20
