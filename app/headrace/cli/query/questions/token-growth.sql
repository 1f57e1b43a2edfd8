-- In which sessions does the prompt grow from turn to turn?
-- The largest prompt of the first and of the last turn, of sessions with two turns or more.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    session,
    epoch,
    count() AS turns,
    argMin(prompt, turn) AS first_prompt,
    argMax(prompt, turn) AS last_prompt,
    round((last_prompt - first_prompt) / (turns - 1)) AS growth_per_turn
FROM
(
    SELECT tenant, session, epoch, assumeNotNull(turn) AS turn, max(prompt_tokens) AS prompt
    FROM events
    WHERE type = 'llm_call_completed' AND turn IS NOT NULL AND prompt_tokens > 0
        AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
    GROUP BY tenant, session, epoch, turn
)
GROUP BY tenant, session, epoch
HAVING turns > 1
ORDER BY growth_per_turn DESC, tenant, session, epoch
LIMIT 20
