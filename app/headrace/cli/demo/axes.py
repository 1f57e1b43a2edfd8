"""The guide's four axes side by side on one session: log line, metric, replay and trace."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headrace.cli.archive import Archive, Row, connect
from headrace.cli.faults import CommandError
from headrace.events.settings import Settings

SESSION: Final = {"tenant": "acme", "session": "refund-agreed"}
"""It is told in full, too: that is the third axis."""
TOOL: Final = "issue_refund"
WAIT_SECONDS: Final = 30.0
"""Between an event and what two workers after each other make of it."""

_OURS: Final = "tenant = {tenant:String} AND session = {session:String}"
_ENDED: Final = f"""\
SELECT countIf(type IN ('turn_end', 'llm_call_completed', 'tool_complete')) AS spans,
    anyIf(trace, type = 'turn_begin') AS trace
FROM events WHERE {_OURS}"""
_SPANS: Final = f"""\
SELECT TraceId, SpanId, ParentSpanId, SpanName, Duration / 1e6 AS ms
FROM otel_traces WHERE {_OURS} ORDER BY Timestamp, SpanName"""
_LOGS: Final = f"""\
SELECT time, level, logger, message, trace_id FROM logs
WHERE {_OURS} AND trace_id != '' AND match(message, '[a-z]') ORDER BY time, seq"""
_CALLS: Final = """\
SELECT toUInt64(sum(sum)) AS calls FROM metrics
WHERE tenant = {tenant:String} AND metric = 'agent.tool.calls' AND labels['tool'] = {tool:String}"""


@dataclass(frozen=True, slots=True)
class Axes:
    """What each axis but the replay says of the session."""

    trace: str
    """The trace id that the application gave: 32 hex digits."""
    logs: tuple[Row, ...]
    calls: int
    """Of the session's tool, by the metric, which names no session."""
    spans: tuple[Row, ...]

    @property
    def agree(self) -> bool:
        """Whether logs and spans are there, and are of the trace that the events say."""
        ids = {row["trace_id"] for row in self.logs} | {row["TraceId"] for row in self.spans}
        return ids == {self.trace} and bool(self.logs) and bool(self.spans) and self.calls > 0

    def tree(self) -> Iterator[tuple[int, Row]]:
        """Yield the spans with their depth, each below the one that it is part of."""
        known = {row["SpanId"] for row in self.spans}
        roots = [row for row in self.spans if row["ParentSpanId"] not in known]
        yield from self._below(roots, 0)

    def _below(self, rows: list[Row], depth: int) -> Iterator[tuple[int, Row]]:
        for row in rows:
            yield depth, row
            parts = [one for one in self.spans if one["ParentSpanId"] == row["SpanId"]]
            yield from self._below(parts, depth + 1)

    def as_data(self) -> Mapping[str, Any]:
        return {
            **SESSION,
            "trace": self.trace,
            "log_records": len(self.logs),
            "tool_calls": self.calls,
            "spans": len(self.spans),
            "agree": self.agree,
        }


def look(settings: Settings) -> Axes:
    """Read all axes, once the spans and the panes are there. Raises CommandError."""
    until = time.monotonic() + WAIT_SECONDS
    with connect(settings) as archive:
        ended = archive.rows(_ENDED, SESSION)[0]
        while True:
            spans, calls = archive.rows(_SPANS, SESSION), _calls(archive)
            if len(spans) >= ended["spans"] and calls:
                break
            if time.monotonic() > until:
                raise CommandError(
                    f"{len(spans)} of {ended['spans']} spans were archived within"
                    f" {WAIT_SECONDS:.0f} s: look into logs/traces.log of the state directory"
                )
            time.sleep(0.1)
        logs = archive.rows(_LOGS, SESSION)
    return Axes(ended["trace"][3:35], tuple(logs), calls, tuple(spans))


def _calls(archive: Archive) -> int:
    calls: int = archive.rows(_CALLS, {**SESSION, "tool": TOOL})[0]["calls"]
    return calls
