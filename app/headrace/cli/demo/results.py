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
SELECT tenant, count() AS sessions, sum(turns) AS turns, sum(tool_calls) AS tools,
    sum(prompt_tokens) AS tokens_in, sum(completion_tokens) AS tokens_out, sum(events) AS events
FROM sessions GROUP BY tenant ORDER BY tenant""",
    ("sessions", "turns", "tools", "tokens_in", "tokens_out", "events"),
)

TOOLS: Final = Question(
    "Tools: failures and durations",
    """\
SELECT tool, count() AS calls, countIf(status = 'error') AS failed,
    round(quantileIf(0.5)(duration_ms, status = 'ok')) AS p50_ms,
    round(quantileIf(0.95)(duration_ms, status = 'ok')) AS p95_ms
FROM tool_calls GROUP BY tool ORDER BY calls DESC, tool LIMIT 7""",
    ("calls", "failed", "p50_ms", "p95_ms"),
)

MODELS: Final = Question(
    "Tokens by model",
    """\
SELECT model, count() AS calls, sum(retries) AS retried, sum(prompt_tokens) AS tokens_in,
    sum(cached_tokens) AS cached, sum(completion_tokens) AS tokens_out
FROM llm_calls GROUP BY model ORDER BY tokens_in DESC""",
    ("calls", "retried", "tokens_in", "cached", "tokens_out"),
)

SLOWEST: Final = Question(
    "Slowest turns",
    """\
SELECT session, turn, round(duration_ms) AS ms, tool_calls AS tools,
    if(incomplete_reason = '', status, incomplete_reason) AS ended,
    left(user_message, 42) AS asked
FROM turns ORDER BY duration_ms DESC LIMIT 4""",
    ("turn", "ms", "tools"),
)

PEOPLE: Final = Question(
    "What was denied, and what people answered",
    """\
SELECT tenant, session, user, tool, permission, confirmation AS answer,
    round(confirmation_wait_ms) AS waited_ms
FROM tool_calls WHERE permission = 'deny' OR confirmation_asked ORDER BY tenant, session""",
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
