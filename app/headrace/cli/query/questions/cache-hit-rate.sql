-- How much of the prompts comes from the cache, hour by hour?
-- Below 0.3 the beginning of the prompt changes from call to call.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    toStartOfHour(time, 'UTC') AS hour,
    tenant,
    count() AS llm_calls,
    sum(prompt_tokens) AS prompt,
    sum(cache_read_tokens) AS cached,
    round(cached / prompt, 3) AS hit_rate
FROM events
WHERE type = 'llm_call_completed' AND prompt_tokens > 0
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY hour, tenant
ORDER BY hour DESC, tenant
LIMIT 168
