"""What each type of event does to the spans under way: one small function a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headrace.events import types
from headrace.events.envelope import Envelope
from headrace.streams.traces import calls, semconv, sub_agents, tools
from headrace.streams.traces.recording import Recording, moment
from headrace.streams.traces.telling import BAD, told
from headrace.streams.traces.values import word

Handler = Callable[[Recording, Envelope], bool]
"""Returns False where an event belongs to nothing that is under way."""


def _turn_end(under_way: Recording, event: Envelope) -> bool:
    root = under_way.spans.get(under_way.root)
    if root is None:
        return False
    data = event.data
    root.attributes |= semconv.turn_end_of(data)
    status, incomplete = word(data.get("status")), word(data.get("incomplete_reason"))
    if status in BAD:
        root.fail(incomplete or str(status), told(under_way, data, "error"))
    elif incomplete:
        root.fail(incomplete)
    if under_way.captured:
        root.attributes |= semconv.output(data.get("final_text"))
    under_way.end_turn(moment(event.ts), event.duration_ms)
    return True


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


HANDLERS: Final[dict[str, Handler]] = {
    types.TURN_END: _turn_end,
    types.LLM_CALL_STARTED: calls.call_started,
    "llm_call_completed": calls.call_completed,
    "llm_retry": calls.retry,
    types.PERMISSION_DECISION: tools.permission,
    types.TOOL_CONFIRMATION: tools.confirmation,
    types.CONFIRMATION_RESOLVED: tools.resolved,
    "tool_start": tools.tool_start,
    "tool_complete": tools.tool_complete,
    "agent_start": sub_agents.agent_start,
    "agent_end": sub_agents.agent_end,
    types.AGENT_USAGE: sub_agents.agent_usage,
    "compaction_settled": _compaction,
    "error": _error,
    types.DROPPED: _dropped,
}
"""By type, what is read of it while a turn is under way, or what runs behind one."""

CONTENT_HANDLERS: Final[dict[str, Handler]] = HANDLERS | {
    "llm_call_delta": calls.call_delta,
    "tool_result": tools.tool_result,
}
"""The same where content is captured."""
