"""agentao's host events, as events of ours: what its transport does not tell.

The transport tells of tools and of sub-agents in the foreground. Only here stand the decisions of
permission rules, sub-agents in the background, and what a sub-agent's own model calls cost. What a
sub-agent's own transport tells is mapped here, too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from headrace.events import types

Emitted = list[tuple[str, dict[str, Any]]]
"""Events to record: type and data."""

_SUMMARY: Final = "sub-agent: "
"""What agentao puts before a sub-agent's name."""
_TOOL: Final = frozenset({"tool_start", "tool_complete", "tool_result"})
_MAX_FOREGROUND: Final = 1024
"""Runs remembered; agentao runs one at a time, in the foreground, on each thread."""


class HostEvents:
    """Maps the host events of one agent. Any thread."""

    def __init__(self) -> None:
        self._foreground: dict[str, None] = {}
        self._background: set[str] = set()
        """Sessions of sub-agents in the background."""

    def saw_start(self, child_task_id: Any) -> None:
        """Remember a sub-agent that the transport has told of itself."""
        if isinstance(child_task_id, str):
            self._foreground[child_task_id] = None
            while len(self._foreground) > _MAX_FOREGROUND:
                self._foreground.pop(next(iter(self._foreground)), None)

    def map(self, event: Any, own_session: str) -> Emitted:
        """Return what ``event`` means; nothing where the transport tells it already."""
        kind = event.event_type
        if kind == "permission_decision":
            return [_permission(event, own_session)]
        if kind == "subagent_lifecycle":
            return self._sub_agent(event)
        return []

    def of_child(self, event: Any, session: str) -> Emitted:
        """Return what an event of a sub-agent's transport means; nothing where its parent tells."""
        kind = str(getattr(event.type, "value", event.type))
        about: dict[str, Any] = {"child_session_id": session}
        if session in self._background:
            about["background"] = True
            return [(kind, event.data | about)] if kind in _TOOL else []
        return [(kind, event.data | about)] if kind == "tool_result" else []

    def _sub_agent(self, event: Any) -> Emitted:
        background = event.child_task_id not in self._foreground
        summary = event.task_summary or ""
        about = {
            "agent": summary.removeprefix(_SUMMARY) or None,
            "child_task_id": event.child_task_id,
            "child_session_id": event.child_session_id,
        }
        if event.phase == "spawned":
            if not background:
                return []
            if event.child_session_id:
                self._background.add(event.child_session_id)
            about |= {"background": True, "call_id": event.parent_tool_call_id}
            return [("agent_start", about)]
        self._foreground.pop(event.child_task_id, None)
        self._background.discard(event.child_session_id)
        emitted: Emitted = []
        if background:
            end = {
                "background": True,
                "state": event.phase,
                "duration_ms": _between(event.started_at, event.completed_at),
                "error": event.error_type,
            }
            emitted.append(("agent_end", about | end))
        if event.usage is not None:
            emitted.append((types.AGENT_USAGE, about | event.usage.model_dump()))
        return emitted


def _permission(event: Any, own_session: str) -> tuple[str, dict[str, Any]]:
    data = {
        "tool": event.tool_name,
        "decision": event.outcome,
        "reason": event.reason,
        "call_id": event.tool_call_id,
        "mode": event.mode,
        "matched_rule": event.matched_rule,
        "decision_id": event.decision_id,
    }
    if event.session_id != own_session:
        data["child_session_id"] = event.session_id
    return types.PERMISSION_DECISION, data


def _between(started: str, completed: str | None) -> float | None:
    if completed is None:
        return None
    # datetime reads a trailing Z only from Python 3.11 on.
    first, last = (datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (started, completed))
    return round((last - first).total_seconds() * 1000, 3)
