"""One span: while it is under way, and as the row that it becomes."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final

import msgspec
import orjson

from headrace.streams.traces.semconv import (
    AGENT,
    CHAT,
    CLIENT,
    ERROR_TYPE,
    EXECUTE_TOOL,
    INTERNAL,
    INVOKE_AGENT,
    LOST_EVENTS,
    MODEL,
    SCOPE,
    SEMCONV_VERSION,
    Attributes,
)

TURN: Final = "turn"
SUB_AGENT: Final = "agent"
CALL: Final = "call"
TOOL: Final = "tool"

MOST_EVENTS: Final = 64
"""Of one span. More are counted."""
CLOCK_STEP_MS: Final = 1000.0
"""How far the source's two clocks may be apart: beyond, somebody has set the one for the time."""
LONGEST_MS: Final = 366 * 86_400_000.0

_OPERATIONS: Final = {
    TURN: INVOKE_AGENT,
    SUB_AGENT: INVOKE_AGENT,
    CALL: CHAT,
    TOOL: EXECUTE_TOOL,
}
_NAMED_BY: Final = {TURN: AGENT, SUB_AGENT: AGENT, CALL: MODEL, TOOL: "gen_ai.tool.name"}


class Span(msgspec.Struct, array_like=True):
    """A span that has begun. Times are nanoseconds since 1970."""

    kind: str
    id: str
    parent: str
    trace: str
    start: int
    key: str
    """What its later events name it by: a tool's call, a model call's attempt, a sub-agent."""
    child: str
    """Whose it is, where it is a sub-agent's; of a sub-agent in the background, its session."""
    attributes: Attributes
    events: list[tuple[int, str, Attributes]] = msgspec.field(default_factory=list)
    begun: int = 0
    """When a tool was started: it may have waited for somebody's answer before. 0: not yet."""
    end: int = 0
    """Where it has ended, and waits for what is told of it behind its end."""
    latest: int = 0
    """The latest end of one of its children."""
    lost: int = 0
    """Events that it has no room for."""
    code: str = "Unset"
    message: str = ""

    def add(self, at: int, name: str, attributes: Attributes) -> None:
        """Add an event."""
        if len(self.events) < MOST_EVENTS:
            self.events.append((max(at, self.start), name, attributes))
        else:
            self.lost += 1

    def characters(self) -> int:
        """Return how many stand in its texts."""
        texts = chain(self.attributes.values(), *(about.values() for _, _, about in self.events))
        return sum(len(text) for text in texts if isinstance(text, str))

    def fail(self, kind: str, message: str = "") -> None:
        """Say that it went wrong: as one word, and in words where they may be told."""
        self.code, self.message = "Error", message or kind
        self.attributes[ERROR_TYPE] = kind

    def finish(self, at: int, measured_ms: float | None = None) -> None:
        """End it: by the source's time, or by its monotonic clock where that was set meanwhile."""
        begun = self.begun or self.start
        if measured_ms is not None and _apart(at - begun, measured_ms):
            at = begun + int(measured_ms * 1e6)
        self.end = max(at, self.start, self.latest)


def _apart(taken: int, measured_ms: float) -> bool:
    return 0 <= measured_ms <= LONGEST_MS and abs(taken / 1e6 - measured_ms) > CLOCK_STEP_MS


def row_of(span: Span, tenant: str, session: str, service: str) -> bytes:
    """Return a span that has ended as a record's value: the same span, the same bytes."""
    attributes = span.attributes | {LOST_EVENTS: span.lost} if span.lost else span.attributes
    named = span.attributes.get(_NAMED_BY[span.kind])
    operation = _OPERATIONS[span.kind]
    row: dict[str, Any] = {
        "tenant": tenant,
        "session": session,
        "user": span.attributes.get("user.id", ""),
        "Timestamp": span.start,
        "TraceId": span.trace,
        "SpanId": span.id,
        "ParentSpanId": span.parent,
        "TraceState": "",
        "SpanName": f"{operation} {named}" if named else operation,
        "SpanKind": CLIENT if span.kind == CALL else INTERNAL,
        "ServiceName": service,
        "ResourceAttributes": {"service.name": service},
        "ScopeName": SCOPE,
        "ScopeVersion": SEMCONV_VERSION,
        "SpanAttributes": attributes,
        "Duration": span.end - span.start,
        "StatusCode": span.code,
        "StatusMessage": span.message,
        "Events.Timestamp": [at for at, _, _ in span.events],
        "Events.Name": [name for _, name, _ in span.events],
        "Events.Attributes": [about for _, _, about in span.events],
        "Links.TraceId": [],
        "Links.SpanId": [],
        "Links.TraceState": [],
        "Links.Attributes": [],
    }
    return orjson.dumps(row)
