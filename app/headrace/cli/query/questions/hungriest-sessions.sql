-- Which sessions take the most tokens?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    session,
    any(user) AS by_user,
    count() AS llm_calls,
    sum(prompt_tokens) AS prompt,
    sum(cache_read_tokens) AS cached,
    sum(completion_tokens) AS completion,
    max(prompt_tokens) AS largest_prompt
FROM events
WHERE type = 'llm_call_completed'
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, session
ORDER BY prompt + completion DESC, tenant, session
LIMIT 20
