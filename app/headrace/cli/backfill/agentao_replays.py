"""agentao's own recordings, ``.agentao/replays/*.jsonl``, as the events that they recorded.

The recorder keeps an event under a name of its own, with what it takes from the event's data.
:data:`SKIPPED` is what frames a recording, or says again what another line says; it takes no
number, so what is passed over must stay as it is: else a file that is read again would be numbered
anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from headrace.events import types

TYPES: Final = {
    "user_message": types.TURN_BEGIN,
    "turn_completed": types.TURN_END,
    "assistant_text_chunk": types.LLM_TEXT,
    "assistant_thought_chunk": types.THINKING,
    "tool_confirmation_requested": types.TOOL_CONFIRMATION,
    "tool_confirmation_resolved": types.CONFIRMATION_RESOLVED,
    "tool_started": "tool_start",
    "tool_output_chunk": types.TOOL_OUTPUT,
    "tool_completed": "tool_complete",
    "subagent_started": "agent_start",
    "subagent_completed": "agent_end",
    "session_started": types.SESSION_START,
    "session_ended": types.SESSION_END,
}
"""The recorder's names of what the runtime names otherwise. All other names are the runtime's."""

SKIPPED: Final = frozenset({"replay_header", "replay_footer", "turn_started"})
_SHAPE: Final = frozenset({"event_id", "session_id", "instance_id", "kind", "payload"})
_HOST: Final = {"tool_name": "tool", "outcome": "decision", "tool_call_id": "call_id"}
_PERMISSION: Final = ("reason", "mode", "matched_rule", "decision_id")


def is_replay(fields: Any) -> bool:
    """Whether a line is one of a recording."""
    return isinstance(fields, dict) and fields.keys() >= _SHAPE


class Replays:
    """Reads the lines of one file, in order.

    agentao 0.5 records of tools only what its host events say (``tool_lifecycle``), unless the
    transport was recorded from the start: then it says both, the transport's first.
    """

    def __init__(self) -> None:
        self._told: set[str] = set()
        """Calls that the transport told of."""

    def read(self, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Return the event that a line recorded, None where it is none.

        Raises ValueError, TypeError, AttributeError or KeyError where it is not as agentao writes.
        """
        kind, payload = fields["kind"], fields["payload"]
        if kind in SKIPPED:
            return None
        if kind == "tool_started":
            self._told.add(payload["call_id"])
        elif kind == "tool_lifecycle":
            if payload["tool_call_id"] in self._told:
                return None
            kind = "tool_start" if payload["phase"] == "started" else "tool_complete"
        elif kind == "subagent_lifecycle" and isinstance(payload.get("usage"), dict):
            kind = types.AGENT_USAGE
        return {
            "ts": _seconds(fields["ts"]),
            "session": fields["session_id"],
            "type": TYPES.get(kind, kind),
            "data": _DATA.get(kind, dict)(payload),
        }


def _seconds(when: str) -> float:
    # datetime reads a trailing Z only from Python 3.11 on.
    return datetime.fromisoformat(when.replace("Z", "+00:00")).timestamp()


def _turn_begin(payload: dict[str, Any]) -> dict[str, Any]:
    return {"user_message": payload.get("content", "")} | _without(payload, "content")


def _started(payload: dict[str, Any]) -> dict[str, Any]:
    where = {"working_directory": payload.get("cwd")}
    return where | _without(payload, "cwd", "session_id")


def _resolved(payload: dict[str, Any]) -> dict[str, Any]:
    outcome = "allow" if payload.get("approved") else "reject"
    return {"tool": payload.get("tool"), "outcome": outcome} | _without(payload, "approved", "tool")


def _tool_started(payload: dict[str, Any]) -> dict[str, Any]:
    return _without(payload, "tool_source")  # the recorder's own word


def _tool_start(payload: dict[str, Any]) -> dict[str, Any]:
    return {"tool": payload["tool_name"], "call_id": payload["tool_call_id"]}


def _tool_complete(payload: dict[str, Any]) -> dict[str, Any]:
    spent = _seconds(payload["completed_at"]) - _seconds(payload["started_at"])
    told = {"status": payload["outcome"], "duration_ms": round(spent * 1000)}
    return _tool_start(payload) | told | {"error": payload.get("error_type")}


def _permission(payload: dict[str, Any]) -> dict[str, Any]:
    data = {ours: payload.get(theirs) for theirs, ours in _HOST.items()}
    return data | {name: payload.get(name) for name in _PERMISSION}


def _usage(payload: dict[str, Any]) -> dict[str, Any]:
    names = ("child_task_id", "child_session_id")
    agent = str(payload.get("task_summary") or "").removeprefix("sub-agent: ")
    about = {"agent": agent or None} | {name: payload.get(name) for name in names}
    usage: dict[str, Any] = payload["usage"]
    return about | usage


def _without(payload: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name not in names}


_DATA: Final = {
    "user_message": _turn_begin,
    "session_started": _started,
    "tool_confirmation_resolved": _resolved,
    "tool_started": _tool_started,
    "tool_start": _tool_start,
    "tool_complete": _tool_complete,
    types.PERMISSION_DECISION: _permission,
    types.AGENT_USAGE: _usage,
}
