"""Sessions for tests, as records of agent.events, and the spans that come of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import orjson

from headrace.events.envelope import Envelope
from headrace.streams.traces.made import Made
from headrace.streams.traces.partition import Bounds, Partition

BEGAN = 1_764_000_000.0
NOW = BEGAN + 10_000_000
"""Behind all records: the reader's clock."""

Row = dict[str, Any]


class Session:
    """Writes events of one epoch, a tenth of a second apart."""

    def __init__(
        self, session: str = "s", epoch: str = "0123456789abcdef", *, began: float = BEGAN
    ) -> None:
        self.names = {"v": 1, "tenant": "acme", "session": session, "user": "u", "agent": "main"}
        self.epoch = epoch
        self.seq = 0
        self.turn: int | None = None
        self.ts = began

    def event(self, kind: str, data: Row | None = None, **more: Any) -> bytes:
        self.seq += 1
        self.ts = round(self.ts + 0.1, 6)
        if kind == "turn_begin":
            self.turn = (self.turn or 0) + 1
        told = {"turn": self.turn} if self.turn else {}
        envelope = {
            **self.names,
            "epoch": self.epoch,
            "seq": self.seq,
            **told,
            "ts": self.ts,
            "type": kind,
            "data": data or {},
        }
        return json.dumps(envelope | more).encode()

    def call(self, attempt: int = 1, **end: Any) -> list[bytes]:
        """A model call with an answer of two pieces."""
        done = {"attempt": attempt, "status": "ok", "finish_reason": "stop", "prompt_tokens": 7}
        return [
            self.event("llm_call_started", {"attempt": attempt, "model": "claude-x"}),
            self.event("llm_text", {"chunk": "a"}, duration_ms=50.0),
            self.event("llm_text", {"chunk": "b"}),
            self.event("llm_call_completed", done | end),
        ]

    def tool(self, call: str, tool: str = "grep", **end: Any) -> list[bytes]:
        about = {"tool": tool, "call_id": call}
        return [
            self.event("permission_decision", about | {"decision": "allow"}),
            self.event("tool_start", about | {"args": {"q": 1}}),
            self.event("tool_output", about | {"chunk": "x"}),
            self.event("tool_complete", about | {"status": "ok"} | end),
            self.event("tool_result", about | {"content": "x"}),
        ]


def turn(session: Session, *, tools: int = 1, calls: int = 1) -> list[bytes]:
    """A turn: calls, then tools, and its end."""
    lines = [session.event("turn_begin", {"user_message": "hello"})]
    for number in range(calls):
        lines += session.call(number + 1)
    for number in range(tools):
        lines += session.tool(f"c{session.turn}-{number}")
    return [*lines, session.event("turn_end", {"status": "ok"})]


def records(values: Iterable[bytes | None], *, first: int = 0) -> list[Any]:
    """Records of a partition, each written when its event happened."""
    found = []
    for number, value in enumerate(values):
        try:
            written = int(orjson.loads(value or b"")["ts"] * 1000)
        except (ValueError, KeyError, TypeError):
            written = 0
        found.append(SimpleNamespace(offset=first + number, timestamp=written, value=value))
    return found


def lines_of(events: Iterable[Envelope]) -> list[bytes]:
    """Recorded events as they stand in agent.events."""
    given = ({k: v for k, v in asdict(e).items() if v is not None} for e in events)
    return [orjson.dumps(one | (one.pop("extra", None) or {})) for one in given]


def spans_of(
    values: Iterable[bytes | None], *, captured: bool = False, bounds: Bounds | None = None
) -> list[Row]:
    """The spans of a partition, read at once."""
    state = Partition(bounds or Bounds(), captured=captured)
    return rows_of(state.take(records(values), NOW))


def rows_of(made: Sequence[Made]) -> list[Row]:
    return [orjson.loads(one.value) for one in made]


def tree(rows: Sequence[Row]) -> list[str]:
    """Spans as an indented text: name, status and events, the earliest first."""
    ids = {row["SpanId"] for row in rows}
    tops = [row for row in rows if row["ParentSpanId"] not in ids]
    return [line for top in sorted(tops, key=_start) for line in _branch(top, rows, "")]


def _branch(row: Row, rows: Sequence[Row], indent: str) -> list[str]:
    status = "" if row["StatusCode"] == "Unset" else f" {row['StatusCode']}: {row['StatusMessage']}"
    events = "".join(f" +{name.removeprefix('headrace.')}" for name in row["Events.Name"])
    lines = [f"{indent}{row['SpanName']}{status}{events}"]
    for child in sorted((r for r in rows if r["ParentSpanId"] == row["SpanId"]), key=_start):
        lines += _branch(child, rows, indent + "  ")
    return lines


def _start(row: Row) -> tuple[int, str]:
    return row["Timestamp"], row["SpanId"]
