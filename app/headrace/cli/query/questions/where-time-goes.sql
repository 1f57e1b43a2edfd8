-- Where does the time of a turn go: to models, to tools, or to people who are asked?
-- Tools may run side by side, so that their share may be above 1. A tool's time holds no question.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    countIf(type = 'turn_end') AS turns,
    round(sumIf(duration_ms, type = 'turn_end') / 1000, 2) AS turn_s,
    round(sumIf(duration_ms, type = 'llm_call_completed') / 1000, 2) AS model_s,
    round(sumIf(duration_ms, type = 'tool_complete') / 1000, 2) AS tool_s,
    round(sumIf(JSONExtractFloat(data, 'wait_ms'), type = 'confirmation_resolved') / 1000, 2)
        AS asking_s,
    round(model_s / turn_s, 3) AS model_share,
    round(tool_s / turn_s, 3) AS tool_share,
    round(asking_s / turn_s, 3) AS asking_share
FROM events
WHERE type IN ('turn_end', 'llm_call_completed', 'tool_complete', 'confirmation_resolved')
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant
HAVING turns > 0
ORDER BY turn_s DESC, tenant
LIMIT 20
