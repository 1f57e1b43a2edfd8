"""What each type of event says: observations of metrics.

``data`` comes from agents and may hold anything: what is not a number where one belongs is no
observation, and a label is text of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from headrace.events import types
from headrace.streams.metrics.prices import Prices

Observation = tuple[str, tuple[str, ...], float]
"""``(metric, values of its labels, value)``: an increment, or what a histogram takes in."""

LABEL_LENGTH: Final = 120
OTEL_OTHER: Final = "_OTHER"
"""The ``error.type`` of OpenTelemetry's conventions for an error that has no name."""
LARGEST: Final = 2.0**53
"""Beyond it sums of whole numbers are no longer exact: such a number is no observation."""


class Call:
    """What an epoch's later events must know of its earlier ones."""

    __slots__ = ("model",)

    def __init__(self, model: str = "") -> None:
        self.model = model
        """Of the model call that runs, or ran last: LLM_CALL_COMPLETED does not name it."""


Data = dict[str, Any]
Observer = Callable[[Data, "float | None", Call, Prices], Iterator[Observation]]


def label(value: Any) -> str:
    """Make a label's value; nothing for what is no text or number."""
    if isinstance(value, (str, int, float)):
        return str(value)[:LABEL_LENGTH]
    return ""


def number(value: Any) -> float | None:
    """Return a count or a duration; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= LARGEST else None


def _turn_end(data: Data, took: float | None, _call: Call, _p: Prices) -> Iterator[Observation]:
    yield "agent.turn.count", (label(data.get("status")),), 1.0
    if (ms := number(took)) is not None:
        yield "agent.turn.duration_ms", (), ms
    if data.get("incomplete_reason") == "max_iterations":
        yield "agent.max_iterations.hits", (), 1.0


def _tool_complete(data: Data, _took: float | None, _c: Call, _p: Prices) -> Iterator[Observation]:
    tool, status = label(data.get("tool")), label(data.get("status"))
    yield "agent.tool.calls", (tool, status), 1.0
    if status == "error":
        yield "agent.tool.failures", (tool,), 1.0
    if (ms := number(data.get("duration_ms"))) is not None:
        yield "agent.tool.duration_ms", (tool,), ms
        yield "gen_ai.execute_tool.duration", (tool, _otel_error(status)), ms / 1000


def _call_started(data: Data, _took: float | None, call: Call, _p: Prices) -> Iterator[Observation]:
    call.model = label(data.get("model"))
    yield from ()


def _call_completed(
    data: Data, _took: float | None, call: Call, prices: Prices
) -> Iterator[Observation]:
    model, status = call.model, label(data.get("status"))
    yield "agent.llm.calls", (model, status), 1.0
    yield "agent.llm.requests", (model,), 1.0
    otel_error = ""
    if status == "error":
        error = label(data.get("error_class"))
        said = f"{error} {label(data.get('error_message'))}"
        yield "agent.llm.errors", (model, error or "unknown", class_of(said)), 1.0
        otel_error = error or OTEL_OTHER
    if (ms := number(data.get("duration_ms"))) is not None:
        yield "gen_ai.client.operation.duration", (model, otel_error), ms / 1000
    yield from _tokens(data, model, prices)


def _tokens(data: Data, model: str, prices: Prices) -> Iterator[Observation]:
    prompt = number(data.get("prompt_tokens"))
    completion = number(data.get("completion_tokens"))
    cached = number(data.get("cache_read_tokens"))
    if prompt is not None:
        yield "agent.llm.tokens.prompt", (model,), prompt
        yield "gen_ai.client.token.usage", (model, "input"), prompt
    if completion is not None:
        yield "agent.llm.tokens.completion", (model,), completion
        yield "gen_ai.client.token.usage", (model, "output"), completion
    if cached is not None:
        yield "agent.llm.tokens.cached", (model,), cached
    if price := prices.of(model):
        yield "agent.llm.cost", (model,), price.of(prompt or 0.0, completion or 0.0, cached or 0.0)


def _retry(data: Data, _took: float | None, call: Call, _p: Prices) -> Iterator[Observation]:
    reason = label(data.get("reason")) or "unknown"
    yield "agent.llm.retries", (call.model,), 1.0
    yield "agent.llm.requests", (call.model,), 1.0
    yield "agent.llm.errors", (call.model, reason, class_of(reason)), 1.0


def _first_chunk(_data: Data, took: float | None, call: Call, _p: Prices) -> Iterator[Observation]:
    if (ms := number(took)) is not None:
        yield "gen_ai.client.operation.time_to_first_chunk", (call.model,), ms / 1000


def _asked(_data: Data, _took: float | None, _call: Call, _p: Prices) -> Iterator[Observation]:
    yield "agent.confirm.requests", ("request",), 1.0


def _answered(data: Data, _took: float | None, _call: Call, _p: Prices) -> Iterator[Observation]:
    yield "agent.confirm.requests", (label(data.get("outcome")),), 1.0


def _permission(data: Data, _took: float | None, _call: Call, _p: Prices) -> Iterator[Observation]:
    yield "agent.permission.decisions", (label(data.get("decision")),), 1.0


def _dropped(data: Data, _took: float | None, _call: Call, _p: Prices) -> Iterator[Observation]:
    if (count := number(data.get("count"))) is not None:
        yield "agent.dropped", (label(data.get("reason")),), count


def _usage(data: Data, _took: float | None, _call: Call, prices: Prices) -> Iterator[Observation]:
    yield from _tokens(data, "", prices)  # a sub-agent's, whose model is not told


def _counts(metric: str) -> Observer:
    def observe(_data: Data, _took: float | None, _call: Call, _p: Prices) -> Iterator[Observation]:
        yield metric, (), 1.0

    return observe


OBSERVERS: Final[dict[str, Observer]] = {
    types.TURN_END: _turn_end,
    "tool_complete": _tool_complete,
    types.LLM_CALL_STARTED: _call_started,
    "llm_call_completed": _call_completed,
    "llm_retry": _retry,
    types.TOOL_CONFIRMATION: _asked,
    types.CONFIRMATION_RESOLVED: _answered,
    types.PERMISSION_DECISION: _permission,
    types.SESSION_START: _counts("agent.session.starts"),
    "agent_start": _counts("agent.subagent.starts"),
    "context_compressed": _counts("agent.compactions"),
    types.AGENT_USAGE: _usage,
    types.DROPPED: _dropped,
}
"""By the type of event; others only count as events."""

CHUNK_OBSERVER: Final = _first_chunk
"""For a piece of an answer that has a duration: the first of its call."""


def _otel_error(status: str) -> str:
    return "" if status == "ok" else status or OTEL_OTHER


_STATUS: Final = re.compile(r"(?<!\d)([45])\d\d(?!\d)")
_CLASSES: Final = (
    ("5xx", ("internalserver", "serviceunavailable", "overloaded", "badgateway", "servererror")),
    ("4xx", ("ratelimit", "badrequest", "authentication", "permission", "notfound", "invalid")),
    ("timeout", ("timeout", "timedout")),
    ("connection", ("connection", "connect", "network")),
)


def class_of(said: str) -> str:
    """Return the class of a failed request: ``5xx``, ``4xx``, ``timeout``, ``connection``, other.

    By an HTTP status in the text, else by the names that vendors' libraries give their errors.
    """
    if found := _STATUS.search(said):
        return f"{found.group(1)}xx"
    squeezed = re.sub(r"[^a-z]", "", said.lower())
    for name, words in _CLASSES:
        if any(word in squeezed for word in words):
            return name
    return "other"
