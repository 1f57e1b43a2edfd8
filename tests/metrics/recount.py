"""Every metric counted once more: by SQL, over the events that ClickHouse has."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from headrace.events.metrics import METRICS, WATERMARK
from headrace.streams.metrics import prices
from tests.metrics.agents import MODELS

NOT_RECOUNTED: Final = {WATERMARK, "agent.series.other"}
"""No event says them: how far the log was read, and which series came first."""


class Series(NamedTuple):
    """One series of one pane."""

    tenant: str
    metric: str
    labels: tuple[str, ...]
    start: int


Value = tuple[int, float, tuple[int, ...]]
"""Count, sum and buckets."""

_EVENTS: Final = """
SELECT *, intDiv(toInt64(floor(ts)), 10) * 10 AS pane,
    JSONExtractString(data, 'error_message') AS said,
    ts + JSONExtractFloat(data, 'test_delay_s') AS arrived,
    coalesce(last_value(nullIf(if(type = 'llm_call_started', model, ''), '')) OVER (
        PARTITION BY tenant, session, epoch ORDER BY seq
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ), '') AS called
FROM events
WHERE startsWith(tenant, {tenant:String})
"""

_ENDED: Final = "type = 'llm_call_completed'"
_FAILED: Final = f"{_ENDED} AND status = 'error'"
_BILLED: Final = "type IN ('llm_call_completed', 'agent_usage')"
_MODEL: Final = "if(type = 'agent_usage', '', called)"
_ERROR: Final = "if(status = 'error', if(error_class = '', 'unknown', error_class), '')"
_OTEL_ERROR: Final = "if(status = 'error', if(error_class = '', '_OTHER', error_class), '')"
_WHY: Final = f"if(type = 'llm_retry', if(reason = '', 'unknown', reason), {_ERROR})"
_SAID: Final = f"if(type = 'llm_retry', {_WHY}, concat({_ERROR}, ' ', said))"
_SQUEEZED: Final = f"replaceRegexpAll(lower({_SAID}), '[^a-z]', '')"
_CLASS: Final = f"""multiIf(
    match({_SAID}, '(^|[^0-9])5[0-9][0-9]([^0-9]|$)'), '5xx',
    match({_SAID}, '(^|[^0-9])4[0-9][0-9]([^0-9]|$)'), '4xx',
    match({_SQUEEZED}, 'internalserver|serviceunavailable|overloaded|badgateway'), '5xx',
    match({_SQUEEZED}, 'ratelimit|badrequest|authentication|permission|notfound'), '4xx',
    match({_SQUEEZED}, 'timeout|timedout'), 'timeout',
    match({_SQUEEZED}, 'connect|network'), 'connection',
    'other')"""


def _cost() -> str:
    """Price each call by the table, as SQL."""
    table = prices.load()
    known = [(model, price) for model in MODELS if (price := table.of(model))]
    names = [model for model, _ in known]

    def of(what: str) -> str:
        return f"transform({_MODEL}, {names}, {[getattr(p, what) for _, p in known]}, nan)"

    prompt, completion, cached = (
        f"coalesce({name}, 0)"
        for name in ("prompt_tokens", "completion_tokens", "cache_read_tokens")
    )
    fresh = f"greatest(toInt64({prompt}) - toInt64({cached}), 0)"
    paid = f"{fresh} * {of('prompt')} + {cached} * {of('cached')}"
    return f"({paid} + {completion} * {of('completion')}) / 1000000"


class Counted(NamedTuple):
    """How to recount a metric: which events, and what of each."""

    where: str
    labels: str = "[]"
    value: str = "1"
    pane: str = "pane"


RECOUNTS: Final[dict[str, list[Counted]]] = {
    "agent.turn.count": [Counted("type = 'turn_end'", "[status]")],
    "agent.turn.duration_ms": [
        Counted("type = 'turn_end' AND duration_ms IS NOT NULL", value="source_duration_ms")
    ],
    "agent.tool.calls": [Counted("type = 'tool_complete'", "[tool, status]")],
    "agent.tool.failures": [Counted("type = 'tool_complete' AND status = 'error'", "[tool]")],
    "agent.tool.duration_ms": [
        Counted("type = 'tool_complete' AND duration_ms IS NOT NULL", "[tool]", "duration_ms")
    ],
    "agent.llm.tokens.prompt": [
        Counted(f"{_BILLED} AND prompt_tokens IS NOT NULL", f"[{_MODEL}]", "prompt_tokens")
    ],
    "agent.llm.tokens.completion": [
        Counted(f"{_BILLED} AND completion_tokens IS NOT NULL", f"[{_MODEL}]", "completion_tokens")
    ],
    "agent.llm.tokens.cached": [
        Counted(f"{_BILLED} AND cache_read_tokens IS NOT NULL", f"[{_MODEL}]", "cache_read_tokens")
    ],
    "agent.llm.calls": [Counted(_ENDED, "[called, status]")],
    "agent.llm.errors": [
        Counted(f"type = 'llm_retry' OR ({_FAILED})", f"[called, {_WHY}, {_CLASS}]")
    ],
    "agent.llm.retries": [Counted("type = 'llm_retry'", "[called]")],
    "agent.llm.requests": [Counted("type IN ('llm_retry', 'llm_call_completed')", "[called]")],
    "agent.llm.cost": [
        Counted(f"{_BILLED} AND NOT isNaN({_cost()})", f"[{_MODEL}]", _cost()),
    ],
    "agent.confirm.requests": [
        Counted("type = 'tool_confirmation'", "['request']"),
        Counted("type = 'confirmation_resolved'", "[outcome]"),
    ],
    "agent.permission.decisions": [Counted("type = 'permission_decision'", "[decision]")],
    "agent.max_iterations.hits": [
        Counted("type = 'turn_end' AND incomplete_reason = 'max_iterations'")
    ],
    "agent.session.starts": [Counted("type = 'session_start'")],
    "agent.session.active": [
        Counted("1 QUALIFY row_number() OVER (PARTITION BY tenant, session, epoch, pane) = 1")
    ],
    "agent.subagent.starts": [Counted("type = 'agent_start'")],
    "agent.compactions": [Counted("type = 'context_compressed'")],
    "agent.events": [Counted("1", "[type]")],
    "agent.dropped": [
        Counted("type = 'headrace.dropped'", "[reason]", "JSONExtractUInt(data, 'count')")
    ],
    "agent.events.late": [
        Counted(
            "arrived > pane + 20",
            value="arrived - pane - 10",
            pane="intDiv(toInt64(floor(arrived)), 10) * 10",
        )
    ],
    "gen_ai.client.token.usage": [
        Counted(
            f"{_BILLED} AND prompt_tokens IS NOT NULL", f"[{_MODEL}, 'input']", "prompt_tokens"
        ),
        Counted(
            f"{_BILLED} AND completion_tokens IS NOT NULL",
            f"[{_MODEL}, 'output']",
            "completion_tokens",
        ),
    ],
    "gen_ai.client.operation.duration": [
        Counted(
            f"{_ENDED} AND duration_ms IS NOT NULL",
            f"[called, {_OTEL_ERROR}]",
            "duration_ms / 1000",
        )
    ],
    "gen_ai.client.operation.time_to_first_chunk": [
        Counted(
            "type IN ('llm_text', 'thinking') AND source_duration_ms IS NOT NULL",
            "[called]",
            "source_duration_ms / 1000",
        )
    ],
    "gen_ai.execute_tool.duration": [
        Counted(
            "type = 'tool_complete' AND duration_ms IS NOT NULL",
            "[tool, multiIf(status = 'ok', '', status = '', '_OTHER', status)]",
            "duration_ms / 1000",
        )
    ],
}
"""By metric. Labels are in the order of the metric's."""


def recount(client: Client, tenant: str) -> dict[Series, Value]:
    """Count every metric of the tenants whose name begins so, from the events alone."""
    return {
        Series(whose, metric, tuple(labels), start): (count, total, tuple(buckets))
        for metric in RECOUNTS
        for whose, labels, start, count, total, buckets in client.query(
            _query(metric), {"tenant": tenant}
        ).result_rows
    }


def _query(metric: str) -> str:
    bounds = list(METRICS[metric].buckets)
    # A bucket holds what is above the bound before it, and up to its own.
    where = f"arrayCount(bound -> bound < value, {bounds})" if bounds else "0"
    size = len(bounds) + 1 if bounds else 0
    observed = " UNION ALL ".join(
        f"SELECT tenant, arrayMap(one -> substringUTF8(one, 1, 120), {one.labels}) AS labels,"
        f" {one.pane} AS start, toFloat64({one.value}) AS value FROM ({_EVENTS}) WHERE {one.where}"
        for one in RECOUNTS[metric]
    )
    return f"""
        SELECT tenant, labels, start, count(), sum(value),
            sumForEach(arrayMap(at -> toUInt64(at = {where}), range({size})))
        FROM ({observed}) GROUP BY tenant, labels, start
    """


def view(client: Client, tenant: str) -> dict[Series, Value]:
    """What the view says of the same."""
    rows: Any = client.query(
        "SELECT tenant, metric, mapKeys(labels), mapValues(labels), toUnixTimestamp(start),"
        " count, sum, buckets FROM metrics WHERE startsWith(tenant, {tenant:String})",
        {"tenant": tenant},
    ).result_rows
    assert all(tuple(names) == METRICS[metric].labels for _, metric, names, *_ in rows)
    return {
        Series(whose, metric, tuple(labels), start): (count, total, tuple(buckets))
        for whose, metric, _, labels, start, count, total, buckets in rows
    }
