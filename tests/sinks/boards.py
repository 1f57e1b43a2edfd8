"""Spans that boards are asked about: made of events by the worker's code, the same each time."""

from __future__ import annotations

from typing import Final

from tests.traces.making import Row, Session, spans_of

NOON: Final = 1_552_564_800
"""2019-03-14 12:00, in s since 1970. No other test has spans of that day."""
AGENT: Final = "boards"
"""The agent of these sessions, and so the service."""


def spans() -> list[Row]:
    """Three sessions, a minute apart: two of six spans that went well, one of three that failed."""
    return [
        *spans_of(_well("one", NOON)),
        *spans_of(_well("two", NOON + 60)),
        *spans_of(_badly("three", NOON + 120)),
    ]


def _well(name: str, began: float) -> list[bytes]:
    """A turn: a model call, a tool, and a sub-agent that uses one."""
    s = _session(name, began)
    child = {"child_task_id": "t"}
    look = {"tool": "[helper 1/5] read_file", "call_id": "r", **child}
    return [
        s.event("turn_begin"),
        *s.call(),
        *s.tool("c1"),
        s.event("tool_start", {"tool": "agent_helper", "call_id": "c2"}),
        s.event("agent_start", {"agent": "helper", **child}),
        s.event("tool_start", look),
        s.event("tool_complete", look | {"status": "ok"}),
        s.event("agent_end", child | {"state": "completed"}),
        s.event("tool_complete", {"call_id": "c2", "status": "ok"}),
        s.event("turn_end", {"status": "ok"}),
    ]


def _badly(name: str, began: float) -> list[bytes]:
    """A turn whose one tool failed, and with it the turn."""
    s = _session(name, began)
    return [
        s.event("turn_begin"),
        *s.call(),
        *s.tool("c1", "deploy", status="error", error="timeout"),
        s.event("turn_end", {"status": "error", "incomplete_reason": "max_iterations"}),
    ]


def _session(name: str, began: float) -> Session:
    made = Session(name, began=began)
    made.names |= {"tenant": AGENT, "agent": AGENT}
    return made
