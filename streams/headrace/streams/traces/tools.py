"""What events of tools do to the spans under way."""

from __future__ import annotations

from typing import Any

from headrace.events.envelope import Envelope
from headrace.streams.traces import semconv
from headrace.streams.traces.recording import SUPERSEDED, Recording, child_of, moment
from headrace.streams.traces.span import TOOL, Span
from headrace.streams.traces.telling import BAD, add_one, told
from headrace.streams.traces.values import OTHER, amount, name, word


def _tool_asked(under_way: Recording, event: Envelope) -> Span | None:
    """Return the tool that is asked about: it begins with the first question."""
    key = _call_id(event.data)
    span = _tool(under_way, key, started=False)
    if span is None:
        parent = under_way.parent_of(event.data)
        if parent is not None:
            span = under_way.begin(event, TOOL, key, parent, semconv.tool_of(event.data))
    return span


def permission(under_way: Recording, event: Envelope) -> bool:
    span = _tool_asked(under_way, event)
    if span is not None:
        about = semconv.decision_of(event.data, captured=under_way.captured)
        span.add(moment(event.ts), "headrace.permission", about)
    return span is not None


def confirmation(under_way: Recording, event: Envelope) -> bool:
    span = _tool_asked(under_way, event)
    if span is not None:
        span.add(moment(event.ts), "headrace.confirmation.asked", {})
    return span is not None


def resolved(under_way: Recording, event: Envelope) -> bool:
    tools = under_way.open(TOOL)
    tool, key = semconv.tool_name(event.data), name(event.data.get("call_id"))
    if key is None:
        span = next((one for one in reversed(tools) if name_of(one) == tool), None)
    else:
        span = _tool(under_way, key, started=False) or _tool(under_way, key, started=True)
    if span is None:
        return False
    about = semconv.outcome_of(event.data)
    span.add(moment(event.ts), "headrace.confirmation.resolved", about)
    waited = amount(event.data.get("wait_ms"))
    if waited is not None:
        span.attributes[semconv.WAITED] = waited
    return True


def tool_start(under_way: Recording, event: Envelope) -> bool:
    key, child = _call_id(event.data), child_of(event.data)
    parent = under_way.parent_of(event.data)
    if parent is None:
        return False
    span = _tool(under_way, key, started=False)
    if span is None:
        before = _tool(under_way, key, started=True, child=child)
        if before is not None:
            under_way.leave(before, SUPERSEDED)
        span = under_way.begin(event, TOOL, key, parent, semconv.tool_of(event.data))
    # Who decided may have known less of whose it is.
    span.child, span.parent, span.trace = child, parent.id, parent.trace
    span.start = max(span.start, parent.start)
    span.attributes |= semconv.tool_of(event.data)
    span.begun = max(moment(event.ts), span.start)
    if under_way.captured:
        span.attributes |= semconv.arguments(event.data.get("args"))
    root = under_way.spans.get(under_way.root)
    if root is not None:
        add_one(root, semconv.TOOLS)
    return True


def tool_complete(under_way: Recording, event: Envelope) -> bool:
    data = event.data
    key = _call_id(data)
    span = _tool(under_way, key, started=True, child=child_of(data))
    span = span or _tool(under_way, key, started=True) or _tool(under_way, key, started=False)
    if span is None:
        return False
    status = word(data.get("status"))
    if status is not None:
        span.attributes[semconv.STATUS] = status
    if status in BAD:
        span.fail(word(data.get("error_class")) or OTHER, told(under_way, data, "error", "failed"))
    under_way.leave_parts(span)
    under_way.finish(span, moment(event.ts), amount(data.get("duration_ms")))
    if not under_way.captured:
        under_way.close(span)
    return True


def tool_result(under_way: Recording, event: Envelope) -> bool:
    key = _call_id(event.data)
    ended = (one for one in under_way.spans.values() if one.kind == TOOL and one.end)
    span = next((one for one in ended if one.key == key), None)
    if span is not None:
        span.attributes |= semconv.result(event.data.get("content"))
        under_way.close(span)
    return True


def _tool(
    under_way: Recording, key: str, *, started: bool, child: str | None = None
) -> Span | None:
    for one in reversed(under_way.open(TOOL)):
        if one.key == key and bool(one.begun) == started and child in (None, one.child):
            return one
    return None


def _call_id(data: dict[str, Any]) -> str:
    return name(data.get("call_id")) or semconv.tool_name(data) or ""


def name_of(span: Span) -> Any:
    return span.attributes.get("gen_ai.tool.name")
