"""What a timeline is made of, and how the values of agents' data are read for it.

Nothing here trusts a type: an agent's ``data`` can hold anything under any key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Data = Mapping[str, Any]

LARGEST: Final = 1e18
"""Of numbers that are reckoned with."""
DEEP: Final = "<nested too deep>"
SECOND: Final = 1_000.0
MINUTE: Final = 60_000.0


@dataclass(frozen=True, slots=True)
class Event:
    """One archived event."""

    epoch: str
    seq: int
    ts: float
    """Seconds since 1970: the source's wall clock, never back within an epoch."""
    type: str
    data: Data
    agent: str | None = None
    turn: int | None = None
    duration_ms: float | None = None
    user: str | None = None
    trace: str | None = None
    """W3C traceparent."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline, with a longer text below it where there is one."""

    ts: float
    kind: str
    """turn, user, text, thinking, model, tool, ask, permission, agent, memory, error, lost, note,
    and log for a log record."""
    headline: str
    tone: str = "plain"
    """plain, good, bad, quiet: a hint for colour."""
    body: str | None = None
    depth: int = 1
    """0 for turns and sessions, 1 within a turn, 2 for what a sub-agent does."""
    turn: int | None = None
    facts: Data = field(default_factory=dict)
    """What a script wants without reading the headline."""
    type: str = ""
    """The type of the event that it tells of; empty for what is told of none."""
    late: bool = False
    """Archived after what comes later had been told."""


def entry(event: Event, kind: str, headline: str, tone: str = "plain", **more: Any) -> Entry:
    """Make an entry at an event's place. What a sub-agent's run forwards stands one deeper."""
    more.setdefault("depth", 2 if event.data.get("child_task_id") is not None else 1)
    more.setdefault("type", event.type)
    return Entry(event.ts, kind, headline, tone, turn=event.turn, **more)


def text(value: Any) -> str:
    """Return a value as text: strings as they are, nothing for None, JSON for the rest."""
    if isinstance(value, str):
        return value
    try:
        return "" if value is None else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return DEEP


def number(value: Any) -> float | None:
    """Return a number, or None for what is not one, or so large that nobody can reckon with it."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and abs(value) <= LARGEST else None


def duration(milliseconds: float) -> str:
    """Return a duration as people say it: ``12 ms``, ``1.25 s``, ``2 min 5 s``.

    Of any number: what is beyond reckoning is short, too (``1e+297 s``, ``inf s``, ``nan s``).
    """
    if not abs(milliseconds) <= LARGEST:  # nor is NaN
        return f"{milliseconds / SECOND:.3g} s"
    if milliseconds < SECOND:
        return f"{milliseconds:.0f} ms"
    if milliseconds < MINUTE:
        return f"{milliseconds / SECOND:.2f} s"
    minutes, rest = divmod(milliseconds, MINUTE)
    return f"{minutes:.0f} min {rest / SECOND:.0f} s"


def took(data: Data, name: str = "duration_ms") -> list[str]:
    """Return the duration under a key as a list of no or one part of a headline."""
    value = number(data.get(name))
    return [] if value is None else [duration(value)]


def picked(data: Data, *names: str) -> dict[str, Any]:
    """Return those of the keys that are there."""
    return {name: data[name] for name in names if name in data}


def plain(data: Data) -> str | None:
    """Return data as ``key: value`` lines, None where it is empty."""
    return "\n".join(f"{key}: {text(value)}" for key, value in data.items()) or None


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace's id, 32 hex digits; None for what is no traceparent."""
    found = re.match(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-", traceparent or "")
    return found and found.group(1)


def tool_name(data: Data) -> str:
    """Name a tool event's tool."""
    return f"tool {text(data.get('tool')) or '?'}"


def arguments(data: Data) -> str | None:
    """Return a tool's arguments, one a line, None for none."""
    args = data.get("args")
    return plain(args) if isinstance(args, dict) else text(args) or None


def call_id(data: Data) -> str:
    """Return what pairs a tool's events. Without an id the tool's name has to do."""
    return text(data.get("call_id")) or text(data.get("tool"))
