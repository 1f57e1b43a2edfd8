"""Build a session's timeline from its events: pure, one pass, no printing.

Streamed pieces are joined, a model call and a tool are told when they end (with what they took),
numbers that are not there are told where they lack. What stands in the entries is still the
agent's text: whoever prints it makes it safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headrace.cli.replay.entries import Entry, Event, entry, text, tool_name
from headrace.cli.replay.tellers import TELLERS, UnderWay, model_name, other
from headrace.events import types


def build(events: Iterable[Event]) -> Iterator[Entry]:
    """Yield the entries of one session's events, given by time and by seq within an epoch."""
    timeline = _Timeline()
    for event in events:
        yield from timeline.take(event)
    yield from timeline.finish()


class _Timeline:
    """The pass over the events: the numbers expected next, pieces of text, what is under way."""

    def __init__(self) -> None:
        self._expected: dict[str, int] = {}
        self._pieces: list[str] = []
        self._first_piece: Event | None = None
        self._under_way = UnderWay()
        self._last: Event | None = None

    def take(self, event: Event) -> Iterator[Entry]:
        lost = list(self._lost(event))
        if lost or not _continues(self._first_piece, event):
            yield from self._joined_text()
        yield from lost
        self._last = event
        if event.type in {types.LLM_TEXT, types.THINKING}:
            self._first_piece = self._first_piece or event
            self._pieces.append(text(event.data.get("chunk")) or text(event.data.get("text")))
        else:
            yield from TELLERS.get(event.type, other)(event, self._under_way)

    def finish(self) -> Iterator[Entry]:
        """Tell what was under way when the recording stopped."""
        yield from self._joined_text()
        if self._last is None:
            return
        for call in self._under_way.calls:
            yield entry(self._last, "model", f"{model_name(call)}, not finished", "bad")
        for started in self._under_way.tools.values():
            yield entry(self._last, "tool", f"{tool_name(started.data)}, not finished", "bad")

    def _lost(self, event: Event) -> Iterator[Entry]:
        first = self._expected.get(event.epoch, 1)
        self._expected[event.epoch] = event.seq + 1
        last = event.seq - 1
        if first <= last:
            headline = f"{last - first + 1:,} not in the archive: {first}..{last} of {event.epoch}"
            facts = {"epoch": event.epoch, "first_seq": first, "last_seq": last}
            yield entry(event, "lost", headline, "bad", facts=facts)

    def _joined_text(self) -> Iterator[Entry]:
        first, self._first_piece = self._first_piece, None
        joined, self._pieces = "".join(self._pieces), []
        if first is None or not joined:
            return
        if first.type == types.THINKING:
            yield entry(first, "thinking", "thinking", "quiet", body=joined)
        else:
            yield entry(first, "text", "assistant", body=joined)


def _continues(first: Event | None, event: Event) -> bool:
    """Whether a piece belongs to the text that is being joined."""
    if first is None or first.type != event.type or first.epoch != event.epoch:
        return False
    return first.data.get("child_task_id") == event.data.get("child_task_id")
