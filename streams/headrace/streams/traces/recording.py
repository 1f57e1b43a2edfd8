"""What is under way in one epoch: its turn, and what runs on behind it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from headrace.events.envelope import Envelope
from headrace.streams.traces import semconv
from headrace.streams.traces.ids import caller, span_id, trace_id
from headrace.streams.traces.span import CALL, SUB_AGENT, TOOL, TURN, Span

MOST_OPEN: Final = 256
"""Spans under way in one epoch; the oldest is closed to make room."""

PARENT_END: Final = "parent_end"
ANOTHER_TURN: Final = "another_turn"
ANOTHER_EPOCH: Final = "another_epoch"
EPOCH_END: Final = "epoch_end"
SILENCE: Final = "silence"
FORGOTTEN: Final = "forgotten"
SUPERSEDED: Final = "superseded"

WHY: Final = {
    PARENT_END: "not finished when what it was part of ended",
    ANOTHER_TURN: "another turn of the epoch began",
    ANOTHER_EPOCH: "another process began a turn of the session",
    EPOCH_END: "its recording ended",
    SILENCE: "nothing was heard of it any more",
    FORGOTTEN: "too much was under way",
    SUPERSEDED: "another one began under the same name",
}
"""Why a span is closed without its end."""


class Recording(msgspec.Struct):
    """The spans of one epoch that have begun. Not shared between tasks."""

    tenant: str
    session: str
    epoch: str
    captured: bool
    """Whether content is captured."""
    service: str = semconv.SERVICE
    ts: float = 0.0
    """The latest time of its events, in seconds since 1970."""
    root: str = ""
    """The span of the turn that is under way."""
    turn: int | None = None
    waiting: str = ""
    """The model call whose answer has not begun."""
    spans: dict[str, Span] = msgspec.field(default_factory=dict)
    """By id, in the order in which they began."""
    closed: list[Span] = msgspec.field(default_factory=list)
    """Since they were last taken."""

    def characters(self) -> int:
        """Return how many stand in the texts of the spans under way."""
        return sum(span.characters() for span in self.spans.values())

    # ── beginning ────────────────────────────────────────────────────────────

    def begin_turn(self, event: Envelope) -> None:
        """Begin a turn: the only thing that begins a trace."""
        if self.root:
            self.abandon(ANOTHER_TURN, background=False)
        called_by = caller(event.trace)
        who = (event.tenant, event.session, event.epoch)
        self.service = semconv.service(event)
        self.turn = event.turn
        attributes = self._common(event, semconv.INVOKE_AGENT)
        attributes |= semconv.turn_of(event, captured=self.captured)
        span = Span(
            TURN,
            span_id(*who, event.seq),
            called_by.span if called_by else "",
            called_by.trace if called_by else trace_id(*who, event.turn),
            moment(event.ts),
            "",
            "",
            attributes,
        )
        self.root = span.id
        self._add(span)

    def begin(
        self, event: Envelope, kind: str, key: str, parent: Span, about: semconv.Attributes
    ) -> Span:
        """Begin a span in another one."""
        operation = {CALL: semconv.CHAT, TOOL: semconv.EXECUTE_TOOL}.get(kind, semconv.INVOKE_AGENT)
        span = Span(
            kind,
            span_id(event.tenant, event.session, event.epoch, event.seq),
            parent.id,
            parent.trace,
            max(moment(event.ts), parent.start),
            key,
            child_of(event.data),
            self._common(event, operation) | about,
        )
        self._add(span)
        return span

    def _common(self, event: Envelope, operation: str) -> semconv.Attributes:
        return semconv.common(event.tenant, event.session, event.user or "", operation)

    def _add(self, span: Span) -> None:
        if len(self.spans) >= MOST_OPEN:
            parents = {one.parent for one in self.spans.values()} | {self.root}
            leaves = [one for one in self.spans.values() if one.id not in parents]
            oldest = next((one for one in leaves if one.id != span.parent), leaves[0])
            self.leave(oldest, FORGOTTEN)
        self.spans[span.id] = span

    # ── finding ──────────────────────────────────────────────────────────────

    def parent_of(self, data: dict[str, Any]) -> Span | None:
        """Return the sub-agent that an event is of, else the turn; None where neither is known."""
        child = child_of(data)
        if child:
            agents = self.open(SUB_AGENT)
            found = next((one for one in agents if child in (one.key, one.child)), None)
            # A decision about a sub-agent in the foreground tells its session alone.
            if found is None and len(agents) == 1 and not agents[0].child:
                found = agents[0]
            if found is not None:
                return found
        return self.spans.get(self.root)

    def open(self, kind: str) -> list[Span]:
        """Return the spans of a kind that have not ended, the oldest first."""
        return [one for one in self.spans.values() if one.kind == kind and not one.end]

    # ── ending ───────────────────────────────────────────────────────────────

    def finish(self, span: Span, at: int, measured_ms: float | None = None) -> None:
        """End a span, which waits then for what is told of it behind its end."""
        span.finish(at, measured_ms)
        if self.waiting == span.id:
            self.waiting = ""
        parent = self.spans.get(span.parent)
        if parent is not None:
            parent.latest = max(parent.latest, span.end)

    def close(self, span: Span) -> None:
        """Let go of a span that has ended."""
        del self.spans[span.id]
        self.closed.append(span)

    def leave(self, span: Span, why: str) -> None:
        """Close a span: as one without an end where it has none."""
        if not span.end:
            span.attributes[semconv.ABANDONED] = why
            span.fail("abandoned", f"abandoned: {WHY[why]}")
            self.finish(span, moment(self.ts))
        self.close(span)

    def leave_parts(self, span: Span) -> None:
        """Close what is under way in a span that ends, except in the background."""
        for one in [one for one in self.spans.values() if one.parent == span.id and not one.end]:
            if not self._runs_on(one):
                self.leave_parts(one)
                self.leave(one, PARENT_END)

    def abandon(self, why: str, *, background: bool = True) -> None:
        """Close everything, in the background too where that is asked for."""
        # Those within others first: these end with the last of them.
        for span in reversed(list(self.spans.values())):
            if span.end or background or not self._runs_on(span):
                self.leave(span, why)
        self.root, self.turn = "", None

    def end_turn(self, at: int, measured_ms: float | None) -> None:
        """End the turn; what is not in the background ends with it."""
        root = self.spans.pop(self.root)
        for span in reversed(list(self.spans.values())):
            if span.end or not self._runs_on(span):
                self.leave(span, PARENT_END)
                root.latest = max(root.latest, span.end)
        self.spans[root.id] = root
        self.finish(root, at, measured_ms)
        self.close(root)
        self.root, self.turn = "", None

    def _runs_on(self, span: Span) -> bool:
        agent = span if span.kind == SUB_AGENT else self.spans.get(span.parent)
        return agent is not None and bool(agent.attributes.get(semconv.BACKGROUND))

    def take_closed(self) -> list[Span]:
        closed, self.closed = self.closed, []
        return closed


def child_of(data: dict[str, Any]) -> str:
    """Return which sub-agent an event is of; nothing where it is the agent's own."""
    for key in ("child_task_id", "child_session_id"):
        value = data.get(key)
        if isinstance(value, str) and value:
            return value[:256]
    return ""


def moment(ts: float) -> int:
    """Return nanoseconds since 1970, of seconds as they are told: to a microsecond."""
    return round(ts * 1e6) * 1000
