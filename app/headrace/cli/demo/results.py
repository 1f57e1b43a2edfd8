"""What is asked of the archive once the agents are done: SQL as a person would write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from headrace.cli.archive import Archive


@dataclass(frozen=True, slots=True)
class Question:
    """A table of the demo. Columns of the query are shown as they are named there."""

    title: str
    sql: str
    numbers: tuple[str, ...]
    """Columns that stand to the right."""


TENANTS: Final = Question(
    "Sessions by tenant",
    """\
SELECT tenant, uniqExact(session) AS sessions, countIf(type = 'turn_end') AS turns,
    countIf(type = 'tool_complete') AS tools, sum(prompt_tokens) AS tokens_in,
    sum(completion_tokens) AS tokens_out, count() AS events
FROM events GROUP BY tenant ORDER BY tenant""",
    ("sessions", "turns", "tools", "tokens_in", "tokens_out", "events"),
)

TOOLS: Final = Question(
    "Tools: failures and durations",
    """\
SELECT tool, count() AS calls, countIf(status = 'error') AS failed,
    countIf(status = 'cancelled') AS not_run,
    round(quantileIf(0.5)(duration_ms, status = 'ok')) AS p50_ms,
    round(quantileIf(0.95)(duration_ms, status = 'ok')) AS p95_ms
FROM events WHERE type = 'tool_complete' GROUP BY tool ORDER BY calls DESC, tool LIMIT 8""",
    ("calls", "failed", "not_run", "p50_ms", "p95_ms"),
)

MODELS: Final = Question(
    "Tokens by model",
    """\
SELECT s.model AS model, count() AS calls, sum(c.prompt_tokens) AS tokens_in,
    sum(c.cache_read_tokens) AS cached, sum(c.completion_tokens) AS tokens_out,
    round(quantile(0.5)(c.first_token_ms)) AS first_token_p50_ms
FROM events AS c
JOIN (SELECT tenant, session, any(model) AS model FROM events
    WHERE type = 'session_start' GROUP BY tenant, session) AS s USING (tenant, session)
WHERE c.type = 'llm_call_completed' GROUP BY model ORDER BY tokens_in DESC""",
    ("calls", "tokens_in", "cached", "tokens_out", "first_token_p50_ms"),
)

SLOWEST: Final = Question(
    "Slowest turns",
    """\
SELECT tenant, session, turn, round(duration_ms) AS ms,
    if(incomplete_reason = '', status, incomplete_reason) AS ended
FROM events WHERE type = 'turn_end' ORDER BY duration_ms DESC LIMIT 5""",
    ("turn", "ms"),
)

PEOPLE: Final = Question(
    "What was denied, and what people answered",
    """\
SELECT tenant, session, user, tool, if(outcome = '', decision, outcome) AS answer,
    round(toFloat64OrNull(JSONExtractRaw(data, 'wait_ms'))) AS waited_ms
FROM events WHERE type = 'confirmation_resolved' OR decision = 'deny'
ORDER BY tenant, session""",
    ("waited_ms",),
)

QUESTIONS: Final = (TENANTS, TOOLS, MODELS, SLOWEST, PEOPLE)

_TOTALS: Final = """\
SELECT
    uniqExact(tenant) AS tenants,
    uniqExact(tenant, session) AS sessions,
    countIf(type = 'turn_end') AS turns,
    countIf(type = 'llm_call_completed') AS llm_calls,
    countIf(type = 'llm_retry') AS llm_retries,
    countIf(type = 'tool_complete') AS tool_calls,
    countIf(type = 'tool_complete' AND status = 'error') AS tool_failures,
    countIf(type = 'permission_decision' AND decision = 'deny') AS permission_denials,
    countIf(type = 'confirmation_resolved' AND outcome = 'allow') AS confirmations_allowed,
    countIf(type = 'confirmation_resolved' AND outcome = 'reject') AS confirmations_rejected,
    countIf(type = 'confirmation_resolved' AND outcome = 'timeout') AS confirmations_timed_out,
    countIf(type = 'turn_end' AND incomplete_reason = 'max_iterations') AS max_iterations,
    countIf(type = 'agent_end') AS sub_agents,
    countIf(type = 'memory_cleared') AS memory_clears,
    sumIf(prompt_tokens, type = 'llm_call_completed') AS prompt_tokens,
    sumIf(completion_tokens, type = 'llm_call_completed') AS completion_tokens,
    sumIf(cache_read_tokens, type = 'llm_call_completed') AS cached_tokens
FROM events"""


def totals(archive: Archive) -> dict[str, Any]:
    """Count what happened, for scripts."""
    return archive.rows(_TOTALS)[0]
