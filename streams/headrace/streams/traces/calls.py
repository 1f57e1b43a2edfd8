"""What events of model calls do to the spans under way."""

from __future__ import annotations

from typing import Any

from headrace.events import types
from headrace.events.envelope import Envelope
from headrace.streams.traces import semconv
from headrace.streams.traces.recording import SUPERSEDED, Recording, child_of, moment
from headrace.streams.traces.span import CALL, Span
from headrace.streams.traces.telling import BAD, add_one, told
from headrace.streams.traces.values import OTHER, amount, content, count, word


def call_started(under_way: Recording, event: Envelope) -> bool:
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
        add_one(parent, semconv.CALLS)
    return True


def call_completed(under_way: Recording, event: Envelope) -> bool:
    span = _call_of(under_way, event.data)
    if span is None:
        return False
    data = event.data
    span.attributes |= semconv.answer_of(data)
    status = word(data.get("status"))
    if status in BAD:
        kind = word(data.get("error_class")) or OTHER
        span.fail(kind, told(under_way, data, "error_message"))
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


def retry(under_way: Recording, event: Envelope) -> bool:
    calls = under_way.open(CALL)
    if calls:
        calls[-1].add(moment(event.ts), "headrace.llm.retry", semconv.retry_of(event.data))
    return bool(calls)


def call_delta(under_way: Recording, event: Envelope) -> bool:
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
