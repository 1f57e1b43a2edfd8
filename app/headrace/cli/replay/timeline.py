"""Build a session's timeline from its events: pure, one pass, no printing.

Streamed pieces are joined, a model call and a tool are told when they end (with what they took),
numbers that are not there are told where they lack. What stands in the entries is still the
agent's text: whoever prints it makes it safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from headrace.cli.replay.entries import Entry, Event, entry, text, tool_name
from headrace.cli.replay.tellers import TELLERS, UnderWay, model_name, other
from headrace.events import types


def build(events: Iterable[Event]) -> Iterator[Entry]:
    """Yield the entries of one session's events, given by time and by seq within an epoch."""
    timeline = Timeline()
    for event in events:
        yield from timeline.take(event)
    yield from timeline.finish()


class Timeline:
    """The pass over the events: the numbers expected next, pieces of text, what is under way."""

    def __init__(self) -> None:
        self._expected: dict[str, int] = {}
        self._told: float = 0.0
        self._pieces: list[str] = []
        self._first_piece: Event | None = None
        self._under_way = UnderWay()
        self._last: Event | None = None

    def take(self, event: Event) -> Iterator[Entry]:
        """Yield what an event brings to an end."""
        if event.ts < self._told or event.seq < self._expected.get(event.epoch, 1) - 1:
            yield from self._late(event)
            return
        self._told = event.ts
        lost = list(self._lost(event))
        if lost or not _continues(self._first_piece, event):
            yield from self.flush()
        yield from lost
        self._last = event
        if event.type in {types.LLM_TEXT, types.THINKING}:
            self._first_piece = self._first_piece or event
            self._pieces.append(_piece(event))
        else:
            yield from TELLERS.get(event.type, other)(event, self._under_way)

    @property
    def holds(self) -> bool:
        """Whether streamed text waits for its end."""
        return self._first_piece is not None

    def flush(self) -> Iterator[Entry]:
        """Yield the text that has been joined so far: its rest will be an entry of its own."""
        first, self._first_piece = self._first_piece, None
        joined, self._pieces = "".join(self._pieces), []
        if first is not None and joined:
            yield _text(first, joined)

    def finish(self) -> Iterator[Entry]:
        """Tell what was under way when the recording stopped."""
        yield from self.flush()
        if self._last is None:
            return
        for call in self._under_way.calls:
            headline = f"{model_name(call)}, not finished"
            yield entry(self._last, "model", headline, "bad", type="")
        for started in self._under_way.tools.values():
            headline = f"{tool_name(started.data)}, not finished"
            yield entry(self._last, "tool", headline, "bad", type="")

    def _late(self, event: Event) -> Iterator[Entry]:
        """Tell what belongs before what has been told, by itself."""
        self._expected[event.epoch] = max(self._expected.get(event.epoch, 1), event.seq + 1)
        yield from self.flush()
        if event.type in {types.LLM_TEXT, types.THINKING}:
            entries = iter([_text(event, _piece(event))])
        else:
            entries = TELLERS.get(event.type, other)(event, UnderWay())
        for one in entries:
            yield replace(one, late=True)

    def _lost(self, event: Event) -> Iterator[Entry]:
        first = self._expected.get(event.epoch, 1)
        self._expected[event.epoch] = event.seq + 1
        last = event.seq - 1
        if first <= last:
            headline = f"{last - first + 1:,} not in the archive: {first}..{last} of {event.epoch}"
            facts = {"epoch": event.epoch, "first_seq": first, "last_seq": last}
            yield entry(event, "lost", headline, "bad", facts=facts, type="")


def _piece(event: Event) -> str:
    return text(event.data.get("chunk")) or text(event.data.get("text"))


def _text(first: Event, joined: str) -> Entry:
    if first.type == types.THINKING:
        return entry(first, "thinking", "thinking", "quiet", body=joined)
    return entry(first, "text", "assistant", body=joined)


def _continues(first: Event | None, event: Event) -> bool:
    """Whether a piece belongs to the text that is being joined."""
    if first is None or first.type != event.type or first.epoch != event.epoch:
        return False
    return first.data.get("child_task_id") == event.data.get("child_task_id")
