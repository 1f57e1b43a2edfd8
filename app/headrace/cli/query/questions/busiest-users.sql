-- Who uses the agents, and how much?
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    user,
    uniqExact(session) AS sessions,
    countIf(type = 'turn_end') AS turns,
    countIf(type = 'tool_complete') AS tool_calls,
    sumIf(prompt_tokens, type = 'llm_call_completed') AS prompt,
    sumIf(completion_tokens, type = 'llm_call_completed') AS completion,
    max(time) AS latest_at
FROM events
WHERE type IN ('turn_end', 'tool_complete', 'llm_call_completed')
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, user
ORDER BY turns DESC, prompt DESC, tenant, user
LIMIT 20
