-- What does it cost, by tenant and model?
-- USD by the table of prices (HEADRACE_PRICES); a model that it does not name costs nothing here.
-- From the metrics, which outlive the events.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    labels['model'] AS model,
    round(sumIf(sum, metric = 'agent.llm.cost'), 4) AS usd,
    toUInt64(sumIf(sum, metric = 'agent.llm.calls')) AS calls,
    toUInt64(sumIf(sum, metric = 'agent.llm.tokens.prompt')) AS prompt_tokens,
    toUInt64(sumIf(sum, metric = 'agent.llm.tokens.cached')) AS cached_tokens,
    toUInt64(sumIf(sum, metric = 'agent.llm.tokens.completion')) AS completion_tokens
FROM metrics
WHERE metric IN ('agent.llm.cost', 'agent.llm.calls', 'agent.llm.tokens.prompt',
        'agent.llm.tokens.cached', 'agent.llm.tokens.completion')
    AND start >= since AND start < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, model
ORDER BY usd DESC, prompt_tokens DESC, tenant, model
LIMIT 20
