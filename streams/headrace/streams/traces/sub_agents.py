"""What events of sub-agents do to the spans under way."""

from __future__ import annotations

from typing import Any

from headrace.events.envelope import Envelope
from headrace.streams.traces import semconv
from headrace.streams.traces.recording import Recording, moment
from headrace.streams.traces.span import SUB_AGENT, TOOL, Span
from headrace.streams.traces.telling import BAD, told
from headrace.streams.traces.tools import name_of
from headrace.streams.traces.values import OTHER, amount, name, word


def agent_start(under_way: Recording, event: Envelope) -> bool:
    data = event.data
    parent = _tool_behind(under_way, data) or under_way.spans.get(under_way.root)
    if parent is None:
        return False
    about = semconv.agent_of(data)
    if under_way.captured:
        about |= semconv.asked([{"role": "user", "content": data.get("task")}])
    key = name(data.get("child_task_id")) or ""
    span = under_way.begin(event, SUB_AGENT, key, parent, about)
    span.child = name(data.get("child_session_id")) or ""
    return True


def _tool_behind(under_way: Recording, data: dict[str, Any]) -> Span | None:
    """Return the tool that a sub-agent was called by: one that no other has."""
    key, tools = name(data.get("call_id")), under_way.open(TOOL)
    if key is not None:
        return next((one for one in tools if one.key == key), None)
    taken = {one.parent for one in under_way.spans.values() if one.kind == SUB_AGENT}
    tool = f"agent_{name(data.get('agent'))}"
    free = [one for one in tools if one.begun and one.id not in taken]
    return next((one for one in free if name_of(one) == tool), None)


def agent_end(under_way: Recording, event: Envelope) -> bool:
    span = _agent(under_way, event.data)
    if span is None:
        return False
    span.attributes |= semconv.agent_end_of(event.data)
    if word(event.data.get("state")) in BAD:
        kind = word(event.data.get("error")) or OTHER
        span.fail(kind, told(under_way, event.data, "error", "failed"))
    under_way.leave_parts(span)
    under_way.finish(span, moment(event.ts), amount(event.data.get("duration_ms")))
    return True


def agent_usage(under_way: Recording, event: Envelope) -> bool:
    span = _agent(under_way, event.data)
    if span is not None:
        span.attributes |= semconv.usage_of(event.data)
        if span.end:
            under_way.close(span)
    return span is not None


def _agent(under_way: Recording, data: dict[str, Any]) -> Span | None:
    key = name(data.get("child_task_id"))
    agents = (one for one in under_way.spans.values() if one.kind == SUB_AGENT)
    return next((one for one in agents if one.key == key), None)
