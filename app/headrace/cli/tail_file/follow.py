"""Following one log file: a source of the producers' shipper.

An incarnation is what stands in the file from its first line on, until it is renamed, truncated or
made anew. Its epoch is made of the tenant, the session, the path and its first line; ``seq`` is
the record's number in it. So whoever reads it again gives its records the same identity.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.cli.faults import CommandError
from headrace.cli.state_file import StateFile
from headrace.cli.tail_file import formats
from headrace.cli.tail_file.cutting import Cutter, Raw
from headrace.cli.tail_file.dates import BACK, Days
from headrace.cli.tail_file.rotated import FIRST, missed, name_of
from headrace.events import types
from headrace.producers.encode import encode
from headrace.producers.kafka_log import shortened
from headrace.producers.lane import Checkpoint
from headrace.producers.sources import Chunk

BLOCK: Final = 256 * 1024
"""Bytes read at once."""
LOOK_EVERY: Final = 0.5
"""Seconds between two looks at a file that had nothing new."""
QUIET: Final = 1.0
"""Seconds of silence after which a record that has been begun is taken for whole."""
SAVE_EVERY: Final = 1.0
"""Seconds between two writes of a position."""
_CLOCKS: Final = re.compile(rb"^(\d\d):(\d\d):(\d\d)\.\d{3} ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose records these are, and how they are to be read."""

    tenant: str
    session: str
    format: str
    """One of :data:`headrace.cli.tail_file.formats.CHOICES`."""
    zone: tzinfo | None
    """Of times that name none; None is this machine's."""
    max_event_bytes: int
    once: bool = False
    """Whether the file's end is the end."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where the last acknowledged record ends."""

    inode: int = 0
    first: str = ""
    """SHA-256 of the incarnation's first line: what it says is nobody's business here."""
    offset: int = 0
    seq: int = 0
    day: int = 0
    clock: float = 0.0
    """Of the last record, where records say only the time of day."""
    incarnation: str = ""
    """Of the log that was written to."""


class FollowedFile:
    """One path. For one event loop."""

    def __init__(
        self,
        path: Path,
        whose: Whose,
        state: StateFile,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._whose = whose
        self._state = state
        self._clock = clock
        self._incarnation = ""
        self._fd = -1
        self._left: deque[Path] = deque()
        """Rotated files that come before the path itself."""
        self._acknowledged = Position()
        self._under_way: deque[tuple[Chunk, Position]] = deque()
        self._again: deque[tuple[Chunk, Position]] = deque()
        self._look_at = self._grew_at = self._saved_at = 0.0
        self._ended = False
        self._at = Position()
        """Behind the last record that was read."""
        self._first = self._begin = b""
        self._kind = formats.LINES
        self._cutter = Cutter(bool, 0)
        self._days = Days(whose.zone)
        self._last_ts = 0.0
        self.shipped = 0
        """Records that were acknowledged."""

    # ── the shipper's side ───────────────────────────────────────────────────

    def begin(self, incarnation: str) -> None:
        """Start on a log, from the last position; on one that has forgotten, from the start."""
        if incarnation == self._incarnation:
            return
        self._under_way.clear()
        self._again.clear()
        self._close()
        try:
            saved = Position(**self._state.load())
        except TypeError:
            saved = Position()
        if saved.incarnation != incarnation:
            saved = Position(incarnation=incarnation)
        self._acknowledged = self._at = saved
        self._ended = False
        if saved.first:
            self._left = deque(missed(self.path, saved.inode, saved.first))
        self._incarnation = incarnation  # last: after an OSError the shipper begins again

    def read(self) -> Chunk | None:
        if self._again:
            return self._hand(*self._again.popleft())
        if self._ended or self._clock() < self._look_at:
            return None
        if self._fd < 0 and not self._open():
            self._pause()
            return None
        return self._next()

    def acknowledge(self, chunk: Chunk) -> None:
        _, self._acknowledged = self._under_way.popleft()
        self.shipped += len(chunk.lines)
        now = self._clock()
        if not self._under_way or now - self._saved_at >= SAVE_EVERY:
            self._saved_at = now
            self._state.save(asdict(self._acknowledged))

    def rewind(self) -> None:
        self._again = self._under_way + self._again
        self._under_way = deque()

    @property
    def done(self) -> bool:
        """Whether all was read to the end and acknowledged: with ``once``."""
        return self._ended and not self._under_way and not self._again

    def _hand(self, chunk: Chunk, position: Position) -> Chunk:
        self._under_way.append((chunk, position))
        return chunk

    def close(self) -> None:
        """Keep the position, let go of the file."""
        if self._acknowledged.first:
            self._state.save(asdict(self._acknowledged))
        self._close()

    # ── the file's side ──────────────────────────────────────────────────────

    def _open(self) -> bool:
        """Open what is to be read next; whether there is any, and it has a first line."""
        path = self._left[0] if self._left else self.path
        try:
            fd = _open_file(path)
        except FileNotFoundError:
            self._ended = self._whose.once
            return False
        except OSError as error:
            if self._whose.once:
                raise CommandError(f"{path} cannot be read: {error.strerror}") from None
            self._pause()
            raise
        first, newline, _ = os.pread(fd, FIRST, 0).partition(b"\n")
        name = name_of(first)
        if not (newline or len(first) == FIRST or (first and self._whose.once)):
            os.close(fd)
            self._ended = self._whose.once
            return False
        self._fd, self._first, inode = fd, first, os.fstat(fd).st_ino
        old = self._at
        goes_on = old.first == name and os.fstat(fd).st_size >= old.offset
        self._at = (
            replace(old, inode=inode)
            if goes_on
            else Position(inode, name, incarnation=self._incarnation)
        )
        self._start(first)
        return True

    def _start(self, first: bytes) -> None:
        self._kind = formats.chosen(self._whose.format, first)
        self._cutter = Cutter(lambda line: formats.begins(line, self._kind), self._at.offset)
        day, clock = self._at.day, self._at.clock
        if self._kind == formats.AGENTAO and not day:
            day, clock = self._first_day()
        self._days = Days(self._whose.zone, day, clock)
        self._begin = self._prefix(first)
        self._grew_at = self._clock()

    def _prefix(self, first: bytes) -> bytes:
        whose = self._whose
        path = os.fsencode(self.path.resolve())
        about = orjson.dumps(["tail-file", whose.tenant, whose.session]) + path + b"\n" + first
        names = {
            "v": 1,
            "tenant": whose.tenant,
            "session": whose.session,
            "epoch": hashlib.sha256(about).hexdigest()[:16],
        }
        return orjson.dumps(names)[:-1]

    def _next(self) -> Chunk | None:
        if self._is_another():
            return self._leave(lost=True)
        piece = os.pread(self._fd, BLOCK, self._cutter.at)
        if piece:
            self._grew_at = self._clock()
            raws = list(self._cutter.feed(piece))
            return self._ship(raws) or self._empty()
        is_quiet = self._whose.once or self._clock() - self._grew_at >= QUIET
        if is_quiet and self._was_moved():
            return self._leave(lost=False)
        if self._whose.once:
            self._ended = True
            return self._ship(list(self._cutter.flush(partial=True)))
        self._pause()
        if not is_quiet:
            return None
        return self._ship(list(self._cutter.flush(partial=False)))

    def _empty(self) -> Chunk:
        """Say that there may be more at once."""
        return self._hand(Chunk([], Checkpoint()), self._at)

    def _is_another(self) -> bool:
        """Whether the open file was cut off, or written anew from its start."""
        if os.fstat(self._fd).st_size < self._cutter.at:
            return True
        return os.pread(self._fd, len(self._first), 0) != self._first

    def _was_moved(self) -> bool:
        """Whether the path is another file by now, and that file has begun."""
        if self._left:
            return True
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        return there.st_ino != self._at.inode

    def _leave(self, *, lost: bool) -> Chunk | None:
        """End an incarnation: what has no newline will get none any more."""
        raws = list(self._cutter.flush(partial=not lost))
        lines = self._lines(raws)
        if not lost:
            lines.append(self._end_marker())
        self._close()
        if self._left:
            self._left.popleft()
        self._at = Position(incarnation=self._incarnation)
        return self._hand(Chunk(lines, Checkpoint()), self._at)

    def _end_marker(self) -> bytes:
        data = {"reason": "rotated", "dropped": {}}
        return self._line(self._at.seq + 1, self._last_ts, types.EPOCH_END, data)

    def _ship(self, raws: list[Raw]) -> Chunk | None:
        if not raws:
            return None
        lines = self._lines(raws)
        return self._hand(Chunk(lines, Checkpoint()), self._at)

    def _lines(self, raws: list[Raw]) -> list[bytes]:
        records = [formats.read(raw.text, self._kind, self._whose.zone) for raw in raws]
        is_last = os.fstat(self._fd).st_size == (raws[-1].end if raws else -1)
        modified = os.fstat(self._fd).st_mtime
        clocks = [one.clock for one in records if one.clock is not None]
        times = iter(self._days.known(clocks, modified if is_last else None))
        lines = []
        for number, (raw, record) in enumerate(zip(raws, records, strict=True), self._at.seq + 1):
            ts = next(times) if record.clock is not None else record.ts
            self._last_ts = modified if ts is None else ts
            data: dict[str, Any] = record.data()
            if raw.size > len(raw.text) + 1:
                data["_headrace"] = {"cut": {"bytes": raw.size}}
            line = self._line(number, self._last_ts, types.LOG, data)
            most = self._whose.max_event_bytes
            lines.append(line if len(line) <= most else shortened(line, most))
        if raws:
            self._at = replace(
                self._at,
                offset=raws[-1].end,
                seq=self._at.seq + len(raws),
                day=self._days.day,
                clock=self._days.clock,
            )
        return lines

    def _line(self, seq: int, ts: float, kind: str, data: dict[str, Any]) -> bytes:
        told = orjson.dumps({"seq": seq, "ts": max(ts, 0.0), "type": kind})
        body, _ = encode(data)
        return b'%b,%b,"data":%b}' % (self._begin, told[1:-1], body)

    def _first_day(self) -> tuple[int, float]:
        """Return the day of the first record: midnights are counted back from the last writing."""
        size = os.fstat(self._fd).st_size
        midnights, first, before = 0, -1.0, 0.0
        at = self._at.offset
        while at < size and (piece := os.pread(self._fd, BLOCK, at)):
            whole = piece[: piece.rfind(b"\n") + 1] or piece
            for found in _CLOCKS.finditer(whole):
                hours, minutes, seconds = map(int, found.groups())
                clock = float(hours * 3600 + minutes * 60 + seconds)
                first = clock if first < 0 else first
                midnights += before - clock > BACK
                before = clock
            at += len(whole)
        days = Days(self._whose.zone)
        days.known([before], os.fstat(self._fd).st_mtime)
        return days.day - midnights, max(first, 0.0)

    def _pause(self) -> None:
        self._look_at = self._clock() + LOOK_EVERY

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _open_file(path: Path) -> int:
    """Open a file. Raises OSError, also for a pipe: opening one waits for its writer."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return fd
