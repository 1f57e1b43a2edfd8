"""The state of one source partition: a function of the log's prefix, and of what was written.

Read the same prefix again, in whatever batches, and the same spans come of it, in the same order:
nothing here looks at the size of a batch, or at when a state was saved. When a partition falls
silent altogether is the one thing that no record says: what was closed then stands in agent.spans
with the place where it was, and is closed there again.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any, Final

import msgspec

from headrace.events import types
from headrace.events.envelope import Envelope, decode
from headrace.events.errors import EnvelopeError
from headrace.streams.heads import NAME_LENGTH, heads_of
from headrace.streams.seen import Names, Seen, mark_of
from headrace.streams.traces.calls import chunk
from headrace.streams.traces.handlers import CONTENT_HANDLERS, HANDLERS
from headrace.streams.traces.made import Made, Place, Written
from headrace.streams.traces.recording import (
    ANOTHER_EPOCH,
    EPOCH_END,
    FORGOTTEN,
    SILENCE,
    Recording,
)
from headrace.streams.traces.semconv import ABANDONED
from headrace.streams.traces.span import row_of

AHEAD_MS: Final = 60_000
"""How far a record's time may be ahead of ours: a clock that is further ahead moves nothing."""

_ANSWER: Final = frozenset({types.LLM_TEXT, types.THINKING})


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is held. Each is a part of what the state is: change one, and spans may differ."""

    epochs: int = 100_000
    """Epochs whose numbers are remembered; the one idle for longest is forgotten first."""
    spans: int = 20_000
    """Spans under way; what is idle for longest is closed first."""
    characters: int = 32 << 20
    """In the texts of those, where content is captured; the same."""
    silence_ms: int = 3_600_000
    """After which what is under way is taken for dead."""


@dataclass(slots=True)
class Counts:
    """What was met since it was last asked for."""

    duplicates: int = 0
    unreadable: int = 0
    ignored: int = 0
    """Events of no turn that is under way."""
    redone: int = 0
    forgotten: int = 0


class _Epoch:
    __slots__ = ("at", "characters", "mark", "names", "recording", "seen")

    def __init__(self, mark: str, seen: Seen) -> None:
        self.mark = mark
        self.names: Names | None = None
        """None from when a state was loaded until an event comes."""
        self.seen = seen
        self.recording: Recording | None = None
        self.at = 0
        """The watermark (ms) at its last event, while something is under way."""
        self.characters = 0
        """In the texts of what is under way, where content is captured."""


class Partition:
    """Makes spans of one partition's events. Not shared between tasks."""

    def __init__(self, bounds: Bounds, *, captured: bool = False) -> None:
        """``captured``: whether messages, arguments and results stand in spans."""
        self.offset = 0
        """The next one to be read."""
        self.watermark = 0
        """The latest time (ms) at which one of its records was written."""
        self._bounds = bounds
        self._captured = captured
        self._handlers = CONTENT_HANDLERS if captured else HANDLERS
        self._read = {*self._handlers, types.EPOCH_END, *([types.LLM_TEXT] if captured else [])}
        """The types of which more than the head is read."""
        self._epochs: OrderedDict[str, _Epoch] = OrderedDict()
        """By mark, the one idle for longest first."""
        self._by_names: dict[Names, _Epoch] = {}
        self._open: OrderedDict[str, _Epoch] = OrderedDict()
        """Those with something under way, in the same order."""
        self._sessions: dict[tuple[str, str], dict[str, _Epoch]] = {}
        """The same, by tenant and session."""
        self._epoch: _Epoch | None = None
        self._due: float = inf
        """The watermark from which on one of them may have been silent for too long."""
        self._spans = 0
        self._characters = 0
        self._written = Written()
        self._silences: deque[tuple[int, str]] = deque()
        """The offsets before which spans were closed by silence."""
        self._counts = Counts()

    # ── what stands in agent.spans ───────────────────────────────────────────

    def recall(self, place: Place, span: str) -> None:
        """Learn of a span that was written since the state was saved: each one, in order."""
        self._written.add(place, span)
        if not place.after and place.offset >= self.offset:
            self._silences.append((place.offset, span))

    def is_written(self, place: Place, span: str) -> bool:
        """Whether a span stands in agent.spans already."""
        return self._written.has(place, span)

    @property
    def recalling(self) -> bool:
        """Whether spans are written that are still to be made again: then it is not to be saved."""
        return self._written.place.offset >= self.offset

    # ── reading the source ───────────────────────────────────────────────────

    def take(self, records: Sequence[Any], now: float) -> list[Made]:
        """Read records, in the order of their offsets; what is to be written for them.

        Those before :attr:`offset` were read already. ``now``: seconds since 1970.
        """
        if records and records[0].offset < self.offset:
            records = [record for record in records if record.offset >= self.offset]
        made: list[Made] = []
        latest = int(now * 1000) + AHEAD_MS
        handlers, counts = self._handlers, self._counts
        epoch = self._epoch
        for record, head in zip(records, heads_of([r.value for r in records]), strict=True):
            if self._silences:
                made += self._silent_again(record.offset)
            if self.watermark < record.timestamp <= latest:
                self.watermark = record.timestamp
                if self.watermark > self._due:
                    made += self._silent(Place(record.offset, 1), self.watermark)
            self.offset = record.offset + 1
            if head is None:
                counts.unreadable += 1
                continue
            if epoch is None or epoch.names != (head.tenant, head.session, head.epoch):
                epoch = self._epoch = self._enter((head.tenant, head.session, head.epoch), made)
            recording, kind = epoch.recording, head.type
            if recording is not None:  # one that is sent again is a sign of life, too
                epoch.at = self.watermark
            if kind == types.TURN_BEGIN or (recording is not None and kind in self._read):
                event = self._decoded(record.value)
                if event is None:
                    continue
                if not epoch.seen.add(head.seq):
                    counts.duplicates += 1
                    continue
                made += self._handle(event, epoch, record.offset)
            elif not epoch.seen.add(head.seq):
                counts.duplicates += 1
            elif recording is not None:
                recording.ts = max(recording.ts, head.ts)
                if recording.waiting and kind in _ANSWER:
                    chunk(recording, None, head.ts, head.duration_ms)
            elif kind in handlers:
                counts.ignored += 1
        return made

    def _decoded(self, value: bytes) -> Envelope | None:
        try:
            event = decode(value)
        except EnvelopeError:
            event = None
        if event is None or len(event.user or "") > NAME_LENGTH:
            self._counts.unreadable += 1
            return None
        return event

    def _handle(self, event: Envelope, epoch: _Epoch, offset: int) -> list[Made]:
        place = Place(offset, 1)
        made: list[Made] = []
        if event.type == types.TURN_BEGIN:
            made = self._another_begins(event, epoch, place)
        recording = epoch.recording or self._opened(event, epoch)
        before = len(recording.spans)
        recording.ts = max(recording.ts, event.ts)
        epoch.at = self.watermark
        if event.type == types.TURN_BEGIN:
            recording.begin_turn(event)
        elif event.type == types.EPOCH_END:
            recording.abandon(EPOCH_END)
        elif event.type == types.LLM_TEXT:
            chunk(recording, event, event.ts, event.duration_ms)
        elif _is_late(event, recording) or not self._handlers[event.type](recording, event):
            self._counts.ignored += 1
        self._spans += len(recording.spans) - before
        made += self._made(recording, place)
        if not recording.spans:
            self._shut(epoch)
        elif self._captured:
            self._weigh(epoch, recording.characters())
        while self._spans > self._bounds.spans or self._characters > self._bounds.characters:
            made += self._abandon(next(iter(self._open.values())), FORGOTTEN, place)
        return made

    def _another_begins(self, event: Envelope, epoch: _Epoch, place: Place) -> list[Made]:
        """Close what another process left of the session: it has one turn at a time."""
        made: list[Made] = []
        others = self._sessions.get((event.tenant, event.session), {})
        for other in [one for one in others.values() if one is not epoch]:
            made += self._abandon(other, ANOTHER_EPOCH, place)
        return made

    def _made(self, recording: Recording, place: Place) -> list[Made]:
        made: list[Made] = []
        tenant, session = recording.tenant, recording.session
        for span in recording.take_closed():
            if self.is_written(place, span.id):
                self._counts.redone += 1
                continue
            why, user = span.attributes.get(ABANDONED), span.attributes.get("user.id", "")
            value = row_of(span, tenant, session, recording.service)
            made.append(Made(place, span.id, span.kind, why, tenant, session, user, value))
        return made

    # ── epochs ───────────────────────────────────────────────────────────────

    def _enter(self, names: Names, made: list[Made]) -> _Epoch:
        epoch = self._by_names.get(names) or self._meet(names, made)
        self._epochs.move_to_end(epoch.mark)
        if epoch.recording is not None:
            self._open.move_to_end(epoch.mark)
        return epoch

    def _meet(self, names: Names, made: list[Made]) -> _Epoch:
        """Return an epoch that is new, or was loaded and not heard of since."""
        mark = mark_of(names)
        epoch = self._epochs.get(mark)
        if epoch is None:
            epoch = self._epochs[mark] = _Epoch(mark, Seen())
            if len(self._epochs) > self._bounds.epochs:
                made += self._forget()
        epoch.names = names
        self._by_names[names] = epoch
        return epoch

    def _forget(self) -> list[Made]:
        _, gone = self._epochs.popitem(last=False)
        self._counts.forgotten += 1
        if gone.names is not None:
            del self._by_names[gone.names]
        if gone.recording is None:
            return []
        return self._abandon(gone, FORGOTTEN, Place(self.offset - 1, 1))

    def _opened(self, event: Envelope, epoch: _Epoch) -> Recording:
        recording = Recording(event.tenant, event.session, event.epoch, self._captured)
        self._open_again(epoch, recording)
        self._due = min(self._due, self.watermark + self._bounds.silence_ms)
        return recording

    def _open_again(self, epoch: _Epoch, recording: Recording) -> None:
        epoch.recording = recording
        self._open[epoch.mark] = epoch
        whose = (recording.tenant, recording.session)
        self._sessions.setdefault(whose, {})[epoch.mark] = epoch
        self._spans += len(recording.spans)
        if self._captured:
            self._weigh(epoch, recording.characters())

    def _weigh(self, epoch: _Epoch, characters: int) -> None:
        self._characters += characters - epoch.characters
        epoch.characters = characters

    def _shut(self, epoch: _Epoch) -> None:
        recording = epoch.recording
        if recording is None:
            return
        epoch.recording = None
        self._weigh(epoch, 0)
        del self._open[epoch.mark]
        whose = (recording.tenant, recording.session)
        del self._sessions[whose][epoch.mark]
        if not self._sessions[whose]:
            del self._sessions[whose]

    def _abandon(self, epoch: _Epoch, why: str, place: Place) -> list[Made]:
        recording = epoch.recording
        if recording is None:
            return []
        self._spans -= len(recording.spans)
        recording.abandon(why)
        self._shut(epoch)
        return self._made(recording, place)

    # ── silence ──────────────────────────────────────────────────────────────

    def tick(self, now: float) -> list[Made]:
        """Close what was silent for too long; for a partition that is read to its end.

        ``now``: seconds since 1970. What time does without an event stands in agent.spans alone.
        """
        made = self._silent_again(self.offset) if self._silences else []
        if int(now * 1000) > self._due:
            made += self._silent(Place(self.offset, 0), int(now * 1000))
        return made

    def _silent(self, place: Place, now_ms: int) -> list[Made]:
        made: list[Made] = []
        silence = self._bounds.silence_ms
        while self._open and next(iter(self._open.values())).at + silence < now_ms:
            made += self._abandon(next(iter(self._open.values())), SILENCE, place)
        first = next(iter(self._open.values()), None)
        self._due = first.at + silence if first is not None else inf
        return made

    def _silent_again(self, offset: int) -> list[Made]:
        """Close what silence had closed before this record, when it was read before."""
        made: list[Made] = []
        while self._silences and self._silences[0][0] <= offset:
            at, span = self._silences.popleft()
            for epoch in list(self._open.values()):
                if epoch.recording is not None and span in epoch.recording.spans:
                    made += self._abandon(epoch, SILENCE, Place(at, 0))
        return made

    def erase(self, covered: Callable[[str, str, str], bool]) -> int:
        """Drop what is under way of people who are to be forgotten; how many spans that were.

        ``covered``: whether tenant, session and user are. What is closed is the writer's to drop.
        """
        erased = 0
        for epoch in list(self._open.values()):
            recording = epoch.recording
            if recording is None:
                continue
            users = {one.attributes.get("user.id", "") for one in recording.spans.values()}
            if any(covered(recording.tenant, recording.session, user) for user in users):
                erased += len(recording.spans)
                self._spans -= len(recording.spans)
                self._shut(epoch)
        return erased

    # ── what was met, and saving ─────────────────────────────────────────────

    def take_counts(self) -> Counts:
        counts, self._counts = self._counts, Counts()
        return counts

    @property
    def turns(self) -> int:
        """How many turns are under way."""
        return sum(1 for epoch in self._open.values() if epoch.recording and epoch.recording.root)

    def begin_again(self) -> None:
        """Go on with another log, which brings again what this one had: what was seen stays seen.

        Everything must have been written.
        """
        self.offset = 0

    def as_data(self) -> dict[str, Any]:
        """Return the whole state, plain. Everything must have been written before."""
        return {
            "offset": self.offset,
            "watermark": self.watermark,
            "epochs": [[one.mark, *one.seen.as_data()] for one in self._epochs.values()],
            "open": [
                [one.mark, one.at, msgspec.to_builtins(one.recording)]
                for one in self._open.values()
            ],
        }

    @classmethod
    def from_data(
        cls, data: dict[str, Any], bounds: Bounds, *, captured: bool = False
    ) -> Partition:
        """Make the state of :meth:`as_data` again."""
        state = cls(bounds, captured=captured)
        state.offset, state.watermark = data["offset"], data["watermark"]
        for mark, contiguous, spans in data["epochs"]:
            state._epochs[mark] = _Epoch(mark, Seen(contiguous, spans))
        for mark, at, recording in data["open"]:
            epoch = state._epochs[mark]
            epoch.at = at
            loaded = msgspec.convert(recording, Recording)
            loaded.captured = captured
            state._open_again(epoch, loaded)
        first = next(iter(state._open.values()), None)
        if first is not None:
            state._due = first.at + bounds.silence_ms
        return state


def _is_late(event: Envelope, recording: Recording) -> bool:
    """Whether an event is of another turn than the one that is under way."""
    if event.turn is None or recording.turn is None or not recording.root:
        return False
    return event.turn != recording.turn and not event.data.get("background")
