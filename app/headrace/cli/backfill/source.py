"""The files as a source that the producers' shipper reads: whole blocks, checked and numbered."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Final

from headrace.cli.backfill.convert import Bad, Converted, Converter
from headrace.cli.backfill.inputs import Input
from headrace.cli.backfill.progress import Mark, Progress
from headrace.cli.backfill.reading import Block, Long, TruncatedFileError, blocks, unpacked
from headrace.cli.faults import CommandError
from headrace.producers.lane import Checkpoint
from headrace.producers.sources import Chunk

SAVE_EVERY: Final = 1.0
"""Seconds between two writes of a file's mark."""


@dataclass(slots=True)
class Tally:
    """What became of the lines."""

    files: int = 0
    lines: int = 0
    sent: int = 0
    """Events that Kafka has acknowledged to this run."""
    before: int = 0
    """Events that an earlier run has sent."""
    passed_over: int = 0
    bad: int = 0
    unfinished: int = 0
    """Last lines without their newline that are no event yet."""
    damaged: list[str] = field(default_factory=list)
    """What is wrong with which packed file."""
    bytes: int = 0
    """Read, as they lie on disk."""

    @property
    def is_clean(self) -> bool:
        return not (self.bad or self.unfinished or self.damaged)


@dataclass(slots=True)
class _Open:
    """The file that is being read."""

    input: Input
    file: IO[bytes]
    blocks: Iterator[Block]
    converter: Converter
    progress: Progress
    mark: Mark
    """What an earlier run has done."""
    first: str = ""
    """SHA-256 of the first line: what names the file, whatever its path."""
    done: Mark | None = None
    """The same, once it is read up to there."""
    last: Mark | None = None
    """How far this run has read."""
    is_whole: bool = True
    """Whether nothing of it may still come."""
    seen: int = 0
    """Bytes on disk that were counted."""

    def on_disk(self) -> int:
        """Return how far the file on disk was read; of what comes in nobody knows."""
        return 0 if self.input.path is None else self.file.tell()


@dataclass(frozen=True, slots=True)
class _Handed:
    """A chunk, and what is known once it is acknowledged."""

    chunk: Chunk
    progress: Progress
    mark: Mark | None


class Files:
    """Reads files one after the other. ``end``: they will not grow, so their epochs are ended.

    For one event loop; a Source of the shipper.

    ``on_bad`` is told of bad lines: until it says that they are set aside (:meth:`go_on`), nothing
    that follows them is handed out, so that an acknowledgement is one of them, too.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        tenant: str | None,
        max_event_bytes: int,
        progress: Callable[[Input], Progress],
        on_bad: Callable[[str, bytes, list[Bad]], None],
        *,
        end: bool = False,
    ) -> None:
        self._inputs = inputs
        self._tenant = tenant
        self._max_event_bytes = max_event_bytes
        self._progress = progress
        self._on_bad = on_bad
        self._end = end
        self._incarnation = ""
        self._clear()

    def _clear(self) -> None:
        self.tally = Tally()
        self.finished = False
        self._left = deque(self._inputs)
        self._open: _Open | None = None
        self._under_way: deque[_Handed] = deque()
        self._again: deque[_Handed] = deque()
        self._held: _Handed | None = None
        self._waiting = False
        self._saved = 0.0

    # ── the shipper's side ───────────────────────────────────────────────────

    def begin(self, incarnation: str) -> None:
        """Start on a log; on another one from the start. Raises CommandError for what came in."""
        if self._incarnation and incarnation != self._incarnation:
            if any(one.path is None for one in self._inputs):
                raise CommandError("Kafka forgot what came from standard input: run it again")
            self._close()
            self._clear()
        self._incarnation = incarnation

    def read(self) -> Chunk | None:
        if self._again:
            return self._hand(self._again.popleft())
        if self._waiting or self.finished:
            return None
        if self._held is not None:
            held, self._held = self._held, None
            return self._hand(held)
        found = self._next()
        return self._hand(found) if found is not None else None

    def _hand(self, handed: _Handed) -> Chunk:
        self._under_way.append(handed)
        return handed.chunk

    def acknowledge(self, chunk: Chunk) -> None:
        done = self._under_way.popleft()
        self.tally.sent += len(chunk.lines)
        if done.mark is None:
            return
        now = time.monotonic()
        last = not self._under_way or self._under_way[0].progress is not done.progress
        if last or now - self._saved >= SAVE_EVERY:
            self._saved = now
            done.progress.save(done.mark)

    def rewind(self) -> None:
        self._again = self._under_way + self._again
        self._under_way = deque()

    def go_on(self) -> None:
        """Hand out what stood around bad lines: these are set aside."""
        self._waiting = False

    @property
    def done(self) -> bool:
        """Whether all is read and acknowledged."""
        return self.finished and not self._under_way and not self._again

    # ── the files' side ──────────────────────────────────────────────────────

    def _next(self) -> _Handed | None:
        """Return what is next; chunks without lines where there is nothing to send of a block."""
        at = self._open or self._open_next()
        if at is None:
            self.finished = True
            return None
        try:
            block = next(at.blocks, None)
        except TruncatedFileError as error:
            self.tally.damaged.append(f"{at.input.name} {error}")
            block, at.is_whole = None, False
        except OSError as error:  # not for the shipper, which would try again for ever
            raise CommandError(f"{at.input.name} cannot be read: {error.strerror}") from None
        if block is not None:
            return self._take(at, block)
        self._close()
        last = at.last or at.done
        if not (self._end and at.is_whole) or last is None or last.ended:
            return _Handed(Chunk([], Checkpoint()), at.progress, at.last)
        return _Handed(
            Chunk(at.converter.ends(), Checkpoint()), at.progress, replace(last, ended=True)
        )

    def _take(self, at: _Open, block: Block) -> _Handed | None:
        if not at.first:
            at.first = _digest(block.lines[0])
            if at.mark.first != at.first:
                at.mark = Mark()  # another file under this name
        before = block.end <= at.mark.end
        if block.end >= at.mark.end:
            _check_unchanged(at, block)
        done = at.converter.convert(block.lines)
        self._count(at, block, done, before=before)
        is_new = block.finished and not before
        if is_new:
            at.last = Mark(block.end, block.crc, at.first, self._incarnation)
        events = [] if before else done.events
        handed = _Handed(Chunk(events, Checkpoint()), at.progress, at.last)
        if not (done.bad and is_new):
            return handed
        self._waiting, self._held = True, handed
        self._on_bad(at.input.name, at.first.encode(), done.bad)
        return None

    def _count(self, at: _Open, block: Block, done: Converted, *, before: bool) -> None:
        tally = self.tally
        tally.lines += len(block.lines)
        tally.passed_over += done.passed_over
        if before:
            tally.before += len(done.events)
        if block.finished:
            tally.bad += len(done.bad)
        else:
            tally.unfinished += len(done.bad)
            at.is_whole = not done.bad
        at.seen, before_seen = at.on_disk(), at.seen
        tally.bytes += at.seen - before_seen

    def _open_next(self) -> _Open | None:
        if not self._left:
            return None
        one = self._left.popleft()
        file = one.open()
        progress = self._progress(one)
        mark = progress.load()
        if mark.incarnation != self._incarnation:
            mark = Mark()
        converter = Converter(self._tenant, self._max_event_bytes)
        self._open = _Open(one, file, blocks(unpacked(file), mark.end), converter, progress, mark)
        self.tally.files += 1
        return self._open

    def _close(self) -> None:
        if self._open is not None and self._open.input.path is not None:
            self._open.file.close()
        self._open = None


def _digest(line: bytes | Long) -> str:
    return line.sha256 if isinstance(line, Long) else hashlib.sha256(line.strip()).hexdigest()


def _check_unchanged(at: _Open, block: Block) -> None:
    mark, at.mark = at.mark, Mark()
    at.done = mark if mark.end else at.done
    if at.done is not None and at.done.ended and block.end > at.done.end:
        raise CommandError(
            f"{at.input.name} grew after its epochs were ended (--end): put what is new into a "
            "file of its own"
        )
    if mark.end and (block.end, block.crc) != (mark.end, mark.crc):
        raise CommandError(
            f"{at.input.name} was changed in its first {mark.end:,} bytes since it was backfilled: "
            "its lines would get other numbers. Put what is new into a file of its own"
        )
