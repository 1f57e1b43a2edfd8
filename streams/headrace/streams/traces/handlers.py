"""What each type of event does to the spans under way: one small function a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from headrace.events import types
from headrace.events.envelope import Envelope
from headrace.streams.traces import semconv
from headrace.streams.traces.recording import SUPERSEDED, Recording, child_of, moment
from headrace.streams.traces.span import CALL, SUB_AGENT, TOOL, Span
from headrace.streams.traces.values import OTHER, amount, content, count, name, word

Handler = Callable[[Recording, Envelope], bool]
"""Returns False where an event belongs to nothing that is under way."""

BAD: Final = frozenset({"error", "failed", "timeout"})


def _turn_end(under_way: Recording, event: Envelope) -> bool:
    root = under_way.spans.get(under_way.root)
    if root is None:
        return False
    data = event.data
    root.attributes |= semconv.turn_end_of(data)
    status, incomplete = word(data.get("status")), word(data.get("incomplete_reason"))
    if status in BAD:
        root.fail(incomplete or str(status), _told(under_way, data, "error"))
    elif incomplete:
        root.fail(incomplete)
    if under_way.captured:
        root.attributes |= semconv.output(data.get("final_text"))
    under_way.end_turn(moment(event.ts), event.duration_ms)
    return True


# ── model calls ──────────────────────────────────────────────────────────────


def _call_started(under_way: Recording, event: Envelope) -> bool:
    parent = under_way.parent_of(event.data)
    if parent is None:
        return False
    key, about = _attempt(event.data), semconv.model_of(event.data)
    for other in under_way.open(CALL):
        if other.key == key and other.parent == parent.id:
            under_way.leave(other, SUPERSEDED)
    span = under_way.begin(event, CALL, key, parent, about)
    under_way.waiting = span.id
    if parent.id == under_way.root:
        model = {key: about[key] for key in (semconv.PROVIDER, semconv.MODEL) if key in about}
        parent.attributes = model | parent.attributes
        _add_one(parent, semconv.CALLS)
    return True


def _call_completed(under_way: Recording, event: Envelope) -> bool:
    span = _call_of(under_way, event.data)
    if span is None:
        return False
    data = event.data
    span.attributes |= semconv.answer_of(data)
    status = word(data.get("status"))
    if status in BAD:
        kind = word(data.get("error_class")) or OTHER
        span.fail(kind, _told(under_way, data, "error_message"))
    under_way.finish(span, moment(event.ts), amount(data.get("duration_ms")))
    under_way.close(span)
    return True


def _call_of(under_way: Recording, data: dict[str, Any]) -> Span | None:
    calls, key, child = under_way.open(CALL), _attempt(data), child_of(data)
    named = [one for one in calls if one.key == key and one.child == child]
    found = named or calls
    return found[-1] if found else None


def _attempt(data: dict[str, Any]) -> str:
    return str(count(data.get("attempt")) or "")


def _retry(under_way: Recording, event: Envelope) -> bool:
    calls = under_way.open(CALL)
    if calls:
        calls[-1].add(moment(event.ts), "headrace.llm.retry", semconv.retry_of(event.data))
    return bool(calls)


def _call_delta(under_way: Recording, event: Envelope) -> bool:
    span = _call_of(under_way, event.data)
    if span is not None and under_way.captured:
        span.attributes |= semconv.asked(event.data.get("added_messages"))
    return True


def chunk(under_way: Recording, event: Envelope | None, ts: float, since_ms: float | None) -> None:
    """Take a piece of an answer; ``event`` where content is captured."""
    span = under_way.spans.get(under_way.waiting)
    if span is not None:
        at = moment(ts)
        span.add(at, "headrace.first_token", {})
        seconds = since_ms / 1000 if since_ms is not None else (at - span.start) / 1e9
        span.attributes[semconv.FIRST_CHUNK] = max(seconds, 0.0)
        under_way.waiting = ""
    if event is not None and event.type == types.LLM_TEXT:
        calls = under_way.open(CALL)
        text = content(event.data.get("chunk"))
        if calls and text:
            semconv.append(calls[-1].attributes, text)


# ── tools ────────────────────────────────────────────────────────────────────


def _tool_asked(under_way: Recording, event: Envelope) -> Span | None:
    """Return the tool that is asked about: it begins with the first question."""
    key = _call_id(event.data)
    span = _tool(under_way, key, started=False)
    if span is None:
        parent = under_way.parent_of(event.data)
        if parent is not None:
            span = under_way.begin(event, TOOL, key, parent, semconv.tool_of(event.data))
    return span


def _permission(under_way: Recording, event: Envelope) -> bool:
    span = _tool_asked(under_way, event)
    if span is not None:
        about = semconv.decision_of(event.data, captured=under_way.captured)
        span.add(moment(event.ts), "headrace.permission", about)
    return span is not None


def _confirmation(under_way: Recording, event: Envelope) -> bool:
    span = _tool_asked(under_way, event)
    if span is not None:
        span.add(moment(event.ts), "headrace.confirmation.asked", {})
    return span is not None


def _resolved(under_way: Recording, event: Envelope) -> bool:
    tools = under_way.open(TOOL)
    tool, key = semconv.tool_name(event.data), name(event.data.get("call_id"))
    if key is None:
        span = next((one for one in reversed(tools) if _name_of(one) == tool), None)
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


def _tool_start(under_way: Recording, event: Envelope) -> bool:
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
        _add_one(root, semconv.TOOLS)
    return True


def _tool_complete(under_way: Recording, event: Envelope) -> bool:
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
        span.fail(word(data.get("error_class")) or OTHER, _told(under_way, data, "error", "failed"))
    under_way.leave_parts(span)
    under_way.finish(span, moment(event.ts), amount(data.get("duration_ms")))
    if not under_way.captured:
        under_way.close(span)
    return True


def _tool_result(under_way: Recording, event: Envelope) -> bool:
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


def _name_of(span: Span) -> Any:
    return span.attributes.get("gen_ai.tool.name")


# ── sub-agents ───────────────────────────────────────────────────────────────


def _agent_start(under_way: Recording, event: Envelope) -> bool:
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
    tool = f"agent_{data.get('agent')}"
    free = [one for one in tools if one.begun and one.id not in taken]
    return next((one for one in free if _name_of(one) == tool), None)


def _agent_end(under_way: Recording, event: Envelope) -> bool:
    span = _agent(under_way, event.data)
    if span is None:
        return False
    span.attributes |= semconv.agent_end_of(event.data)
    if word(event.data.get("state")) in BAD:
        kind = word(event.data.get("error")) or OTHER
        span.fail(kind, _told(under_way, event.data, "error", "failed"))
    under_way.leave_parts(span)
    under_way.finish(span, moment(event.ts), amount(event.data.get("duration_ms")))
    return True


def _agent_usage(under_way: Recording, event: Envelope) -> bool:
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


# ── what happens to a turn ───────────────────────────────────────────────────


def _compaction(under_way: Recording, event: Envelope) -> bool:
    return _happened(under_way, event, "headrace.compaction", semconv.compaction_of(event.data))


def _error(under_way: Recording, event: Envelope) -> bool:
    about = semconv.error_of(event.data, captured=under_way.captured)
    return _happened(under_way, event, "headrace.error", about)


def _dropped(under_way: Recording, event: Envelope) -> bool:
    return _happened(under_way, event, "headrace.dropped", semconv.dropped_of(event.data))


def _happened(under_way: Recording, event: Envelope, what: str, about: semconv.Attributes) -> bool:
    root = under_way.spans.get(under_way.root)
    if root is not None:
        root.add(moment(event.ts), what, about)
    return root is not None


def _told(under_way: Recording, data: dict[str, Any], key: str, otherwise: str = "") -> str:
    """Return an error's own words, where content is captured: they may quote anything."""
    told = content(data.get(key)) if under_way.captured else None
    return told or otherwise


def _add_one(span: Span, what: str) -> None:
    span.attributes[what] = span.attributes.get(what, 0) + 1


HANDLERS: Final[dict[str, Handler]] = {
    types.TURN_END: _turn_end,
    types.LLM_CALL_STARTED: _call_started,
    "llm_call_completed": _call_completed,
    "llm_retry": _retry,
    types.PERMISSION_DECISION: _permission,
    types.TOOL_CONFIRMATION: _confirmation,
    types.CONFIRMATION_RESOLVED: _resolved,
    "tool_start": _tool_start,
    "tool_complete": _tool_complete,
    "agent_start": _agent_start,
    "agent_end": _agent_end,
    types.AGENT_USAGE: _agent_usage,
    "compaction_settled": _compaction,
    "error": _error,
    types.DROPPED: _dropped,
}
"""By type, what is read of it while a turn is under way, or what runs behind one."""

CONTENT_HANDLERS: Final[dict[str, Handler]] = HANDLERS | {
    "llm_call_delta": _call_delta,
    "tool_result": _tool_result,
}
"""The same where content is captured."""
