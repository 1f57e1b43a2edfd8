-- Which tools fill the context?
-- Characters of their results before agentao cuts them; some of them at every later call again.
WITH
    now() - INTERVAL 7 DAY AS since,
    now() AS until,
    '' AS only_tenant
SELECT
    tenant,
    tool,
    count() AS results,
    sum(JSONExtractUInt(data, 'original_chars')) AS characters,
    round(characters / results) AS per_result,
    max(JSONExtractUInt(data, 'original_chars')) AS largest,
    countIf(JSONExtractBool(data, 'saved_to_disk')) AS cut_to_disk
FROM events
WHERE type = 'tool_result'
    AND time >= since AND time < until AND (only_tenant = '' OR tenant = only_tenant)
GROUP BY tenant, tool
ORDER BY characters DESC, tenant, tool
LIMIT 20
