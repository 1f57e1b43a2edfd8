"""How each type of event is told: one small function a type, over a little shared state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from headrace.cli.replay.entries import (
    Data,
    Entry,
    Event,
    arguments,
    call_id,
    duration,
    entry,
    number,
    picked,
    plain,
    text,
    took,
    tool_name,
    trace_id,
)
from headrace.events import types


@dataclass(slots=True)
class UnderWay:
    """What has begun and not ended."""

    tools: dict[str, Event] = field(default_factory=dict)
    outputs: dict[str, list[str]] = field(default_factory=dict)
    calls: list[Event] = field(default_factory=list)


Told = Iterator[Entry]
Teller = Callable[[Event, UnderWay], Told]


def _turn_begin(event: Event, _: UnderWay) -> Told:
    trace = trace_id(event.trace)
    facts = {"trace": trace} if trace else {}
    yield entry(event, "turn", _turn(event), depth=0, facts=facts)
    message = text(event.data.get("user_message"))
    if message:
        yield entry(event, "user", "user", body=message)


def _turn_end(event: Event, _: UnderWay) -> Told:
    data = event.data
    status = text(data.get("status")) or "ended"
    incomplete = text(data.get("incomplete_reason"))
    parts = [f"{_turn(event)} {status}"]
    parts += [f"incomplete: {incomplete}"] if incomplete else []
    parts += [f"{text(data['tool_count'])} tools"] if number(data.get("tool_count")) else []
    parts += [] if event.duration_ms is None else [duration(event.duration_ms)]
    parts += [text(data["error"])] if data.get("error") else []
    tone = "good" if status == "ok" and not incomplete else "bad"
    facts = {"status": status, "incomplete_reason": incomplete or None}
    facts["duration_ms"] = event.duration_ms  # type: ignore[assignment]
    yield entry(event, "turn", ", ".join(parts), tone, depth=0, facts=facts)


def _call_started(event: Event, under_way: UnderWay) -> Told:
    under_way.calls.append(event)
    return iter(())


def _call_completed(event: Event, under_way: UnderWay) -> Told:
    started = under_way.calls.pop() if under_way.calls else None
    data = event.data
    status = text(data.get("status")) or "ok"
    parts = [model_name(started or event), *took(data)]
    parts += [text(data.get("error_class")) or status] if status != "ok" else []
    parts += _tokens(event)
    parts += [text(data["finish_reason"])] if data.get("finish_reason") else []
    yield entry(
        event,
        "model",
        ", ".join(parts),
        "plain" if status == "ok" else "bad",
        body=text(data.get("error_message")) or None,
        facts={**_model(started or event), **picked(data, *_CALL_FACTS)},
    )


def _llm_retry(event: Event, _: UnderWay) -> Told:
    data = event.data
    parts = [f"model call retried, attempt {text(data.get('retry')) or '?'}"]
    parts += [f"of {text(data['max_retries'])}"] if "max_retries" in data else []
    parts += [f"in {text(data['delay_s'])} s"] if "delay_s" in data else []
    parts += [f"because {text(data['reason'])}"] if data.get("reason") else []
    yield entry(event, "model", " ".join(parts), "bad", facts=dict(data))


def _tool_start(event: Event, under_way: UnderWay) -> Told:
    under_way.tools[call_id(event.data)] = event
    facts = picked(event.data, "tool", "call_id", "args")
    headline = f"{tool_name(event.data)} started"
    yield entry(event, "tool", headline, "quiet", body=arguments(event.data), facts=facts)


def _tool_output(event: Event, under_way: UnderWay) -> Told:
    under_way.outputs.setdefault(call_id(event.data), []).append(text(event.data.get("chunk")))
    return iter(())


def _tool_complete(event: Event, under_way: UnderWay) -> Told:
    data = event.data
    under_way.tools.pop(call_id(data), None)
    output = "".join(under_way.outputs.pop(call_id(data), []))
    status = text(data.get("status")) or "ended"
    headline = ", ".join([f"{tool_name(data)} {status}", *took(data)])
    tone = "good" if status == "ok" else "bad"
    body = text(data.get("error")) or output or None
    facts = picked(data, "tool", "call_id", "status", "duration_ms", "error")
    yield entry(event, "tool", headline, tone, body=body, facts=facts)


def _tool_result(event: Event, _: UnderWay) -> Told:
    content = text(event.data.get("content"))
    if content:
        headline = f"{tool_name(event.data)} result"
        facts = picked(event.data, "tool", "call_id")
        yield entry(event, "tool", headline, "quiet", body=content, facts=facts)


def _confirmation_asked(event: Event, _: UnderWay) -> Told:
    headline = f"{tool_name(event.data)} needs confirmation"
    facts = picked(event.data, "tool", "call_id")
    yield entry(event, "ask", headline, body=arguments(event.data), facts=facts)


def _confirmation_resolved(event: Event, _: UnderWay) -> Told:
    outcome = text(event.data.get("outcome")) or "?"
    waited = " ".join(["after", *took(event.data, "wait_ms")])
    who = text(event.data.get("answered_by"))
    headline = f"{tool_name(event.data)} confirmation: {outcome}" + (f" by {who}" if who else "")
    headline += f" {waited}" if waited != "after" else ""
    tone = "good" if outcome == "allow" else "bad"
    facts = picked(event.data, "tool", "outcome", "wait_ms", "answered_by", "answered_how")
    yield entry(event, "ask", headline, tone, facts=facts)


def _permission_decision(event: Event, _: UnderWay) -> Told:
    decision = text(event.data.get("decision")) or "?"
    reason = text(event.data.get("reason"))
    headline = f"{tool_name(event.data)} permission: {decision}" + (
        f" ({reason})" if reason else ""
    )
    tone = "bad" if decision == "deny" else "quiet"
    facts = picked(event.data, "tool", "decision", "reason", "call_id")
    yield entry(event, "permission", headline, tone, facts=facts)


def _agent_start(event: Event, _: UnderWay) -> Told:
    headline = f"sub-agent {text(event.data.get('agent')) or '?'} started"
    task = text(event.data.get("task")) or None
    facts = picked(event.data, "agent", "child_task_id")
    yield entry(event, "agent", headline, body=task, depth=1, facts=facts)


def _agent_end(event: Event, _: UnderWay) -> Told:
    data = event.data
    state = text(data.get("state")) or "ended"
    parts = [f"sub-agent {text(data.get('agent')) or '?'} {state}"]
    for name in ("turns", "tool_calls", "tokens"):
        parts += [f"{text(data[name])} {name.replace('_', ' ')}"] if name in data else []
    headline = ", ".join([*parts, *took(data)])
    tone = "good" if state == "completed" else "bad"
    body = text(data.get("error")) or None
    yield entry(event, "agent", headline, tone, body=body, depth=1, facts=dict(data))


def _agent_usage(event: Event, _: UnderWay) -> Told:
    parts = [f"sub-agent {text(event.data.get('agent')) or '?'} used", *_tokens(event)]
    yield entry(event, "agent", " ".join(parts), "quiet", depth=1, facts=dict(event.data))


def _error(event: Event, _: UnderWay) -> Told:
    message = text(event.data.get("message")) or "error"
    yield entry(event, "error", message, "bad", body=text(event.data.get("detail")) or None)


def _dropped(event: Event, _: UnderWay) -> Told:
    reason = text(event.data.get("reason")) or "?"
    headline = f"{text(event.data.get('count')) or '?'} events were dropped at the source: {reason}"
    yield entry(event, "lost", headline, "bad", facts=dict(event.data))


def _boundary(event: Event, _: UnderWay) -> Told:
    """Tell of a session's or a recording's start and end."""
    name = "recording end" if event.type == types.EPOCH_END else event.type.replace("_", " ")
    facts = dict(event.data)
    yield entry(event, "note", name, "quiet", body=plain(event.data), depth=0, facts=facts)


def other(event: Event, _: UnderWay) -> Told:
    """Tell of any type without knowing it."""
    kind = "memory" if event.type.startswith("memory") else "note"
    name = event.type.replace("_", " ")
    yield entry(event, kind, name, "quiet", body=plain(event.data), facts=dict(event.data))


def _silent(_: Event, __: UnderWay) -> Told:
    """Tell nothing: said again elsewhere, or of no use to a reader."""
    return iter(())


_CALL_FACTS: Final = (
    "status",
    "duration_ms",
    "first_token_ms",
    "prompt_tokens",
    "completion_tokens",
    "cache_read_tokens",
    "error_class",
    "finish_reason",
)

TELLERS: Final[dict[str, Teller]] = {
    types.TURN_BEGIN: _turn_begin,
    types.TURN_END: _turn_end,
    types.LLM_CALL_STARTED: _call_started,
    types.TOOL_CONFIRMATION: _confirmation_asked,
    types.CONFIRMATION_RESOLVED: _confirmation_resolved,
    types.PERMISSION_DECISION: _permission_decision,
    types.TOOL_OUTPUT: _tool_output,
    types.SESSION_START: _boundary,
    types.SESSION_END: _boundary,
    types.EPOCH_END: _boundary,
    types.DROPPED: _dropped,
    types.AGENT_USAGE: _agent_usage,
    "llm_call_completed": _call_completed,
    "llm_retry": _llm_retry,
    "tool_start": _tool_start,
    "tool_complete": _tool_complete,
    "tool_result": _tool_result,
    "agent_start": _agent_start,
    "agent_end": _agent_end,
    "error": _error,
    "turn_start": _silent,
    "llm_call_delta": _silent,
    "llm_call_io": _silent,
    "compaction_started": _silent,
}


def model_name(event: Event) -> str:
    """Name the model of a call where the event does."""
    return f"model {text(event.data.get('model'))}".rstrip() + " call"


def _model(event: Event) -> Data:
    model = text(event.data.get("model"))
    return {"model": model} if model else {}


def _turn(event: Event) -> str:
    return "turn" if event.turn is None else f"turn {event.turn}"


def _tokens(event: Event) -> list[str]:
    prompt = number(event.data.get("prompt_tokens"))
    completion = number(event.data.get("completion_tokens"))
    if prompt is None or completion is None:
        return []
    cached = number(event.data.get("cache_read_tokens"))
    of_them = f" ({cached:,} cached)" if cached else ""
    return [f"{prompt:,} tokens in{of_them}, {completion:,} out"]
