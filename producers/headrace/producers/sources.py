"""What a shipper reads: a lane's segments, or the queue in memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from headrace.events.topics import LOCAL_CLUSTER
from headrace.producers.lane import Checkpoint, Lane
from headrace.producers.memory import MemoryQueue

CHUNK_BYTES: Final = 512 * 1024
"""Bytes read at once."""
TORN: Final = ".torn-"
TORN_BYTES: Final = 4 * 1024 * 1024
"""Bytes of torn lines that a spool directory keeps, beside its quota; the oldest go first."""
ERASED: Final = b" "
"""What a line begins with that was blanked, since somebody asked to be forgotten: events do not."""
LOCAL_KEEP: Final = 24 * 3600.0
"""Seconds that delivered segments stay for an embedded Kafka."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines, in order, and the point in the source after them."""

    lines: list[bytes]
    """Without their newlines."""
    after: Checkpoint


class Source(Protocol):
    """A run of lines that can be read again from the last acknowledged point. One loop's only."""

    def read(self) -> Chunk | None:
        """Return the next lines, None where there are none just now. Raises OSError."""
        ...

    def acknowledge(self, chunk: Chunk) -> None:
        """Remember that Kafka has all up to the end of this chunk. In order. Raises OSError."""
        ...

    def rewind(self) -> None:
        """Read again from the last acknowledged point."""
        ...

    def begin(self, incarnation: str) -> None:
        """Start on a log. One that is not the checkpoint's is sent again all that is kept."""
        ...


class LaneSource:
    """Reads a lane from its checkpoint on, and removes the segments that are done.

    ``keep`` is for how many seconds an acknowledged segment stays, to be sent again to a log that
    has forgotten it; None is a day for an embedded Kafka, which forgets, and nothing for others.
    """

    def __init__(
        self, lane: Lane, keep: float | None, clock: Callable[[], float] = time.time
    ) -> None:
        self.lane = lane
        self._keep = keep
        self._clock = clock
        self._at = self._done = lane.checkpoint()
        self._fd = -1
        self._fd_segment = 0

    def _oldest_kept(self) -> float:
        keep = self._keep
        if keep is None:
            keep = LOCAL_KEEP if self._done.incarnation.startswith(LOCAL_CLUSTER) else 0.0
        return self._clock() - keep

    def begin(self, incarnation: str) -> None:
        if self._done.incarnation == incarnation:
            return
        if self._done.incarnation:
            first = min(self.lane.segments(), default=self._done.segment)
            again = self._count_lines(first)
            self._done = replace(
                self._done, segment=first, offset=0, delivered=self._done.delivered - again
            )
        self._done = replace(self._done, incarnation=incarnation)
        self._save()
        self.rewind()

    def _count_lines(self, first: int) -> int:
        """Count the delivered lines from the start of segment ``first`` on."""
        count = 0
        for number in range(first, self._done.segment + 1):
            try:
                content = self.lane.segment_path(number).read_bytes()
            except FileNotFoundError:
                continue
            end = self._done.offset if number == self._done.segment else len(content)
            count += content.count(b"\n", 0, end)
        return count

    def rewind(self) -> None:
        self._at = self._done

    def read(self) -> Chunk | None:
        while True:
            try:
                fd = self._open(self._at.segment)
            except FileNotFoundError:
                if not self._next_segment():
                    return None
                continue
            content = os.pread(fd, CHUNK_BYTES, self._at.offset)
            end = content.rfind(b"\n") + 1
            if end == 0 and len(content) == CHUNK_BYTES:
                content = os.pread(fd, os.fstat(fd).st_size - self._at.offset, self._at.offset)
                end = content.rfind(b"\n") + 1
            if end:
                lines = content[: end - 1].split(b"\n")
                self._at = replace(
                    self._at,
                    offset=self._at.offset + end,
                    delivered=self._at.delivered + len(lines),
                )
                return Chunk([line for line in lines if not line.startswith(ERASED)], self._at)
            if not self._leave_segment(content):
                return None

    def _leave_segment(self, rest: bytes) -> bool:
        """Go on to the next segment, once all of this one is acknowledged.

        A rest without its newline is torn if its writer cannot come back to it: set aside, counted.
        """
        if self._at != self._done:
            return False
        later = [n for n in self.lane.segments() if n > self._at.segment]
        if not later and (not rest or self.lane.owner_lives()):
            return False
        size = os.fstat(self._fd).st_size
        if size > self._at.offset + len(rest):  # the writer came by in between
            return True
        done = replace(self._done, offset=size)
        if rest:
            self._set_aside(rest)
            done = replace(done, torn=done.torn + 1)
        if later:
            done = replace(done, segment=later[0], offset=0)
        self._at = self._done = done
        self._save()
        return bool(later)

    def _next_segment(self) -> bool:
        later = [n for n in self.lane.segments() if n > self._at.segment]
        if later:
            self._at = self._done = replace(self._done, segment=later[0], offset=0)
        return bool(later)

    def _set_aside(self, rest: bytes) -> None:
        spool_dir = self.lane.path.parent
        make_room(spool_dir, TORN_BYTES - len(rest) - 1)
        torn = spool_dir / f"{TORN}{self.lane.path.name}"
        fd = os.open(torn, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(fd, rest[: TORN_BYTES - 1] + b"\n")
        finally:
            os.close(fd)

    def acknowledge(self, chunk: Chunk) -> None:
        self._done = chunk.after
        self._save()

    def _save(self) -> None:
        try:
            self.lane.save(self._done)
        except OSError:  # the lane went away, or its disk: shipped again is not lost
            return

    def drained(self) -> bool:
        """Whether all that is in the lane now is acknowledged."""
        if self._at != self._done:
            return False
        segments = self.lane.segments()
        if segments and segments[-1] > self._done.segment:
            return False
        try:
            return self.lane.segment_path(self._done.segment).stat().st_size <= self._done.offset
        except OSError:
            return True

    def sweep(self) -> None:
        """Remove acknowledged segments whose time is over; never the last one. Raises OSError."""
        oldest = self._oldest_kept()
        for number in self.lane.segments():
            path = self.lane.segment_path(number)
            if number >= self._done.segment or path.stat().st_mtime > oldest:
                break
            path.unlink()

    def expired(self) -> bool:
        """Whether nothing of the lane needs to be kept any more."""
        if not self.drained():
            return False
        try:
            written = max(
                (self.lane.segment_path(n).stat().st_mtime for n in self.lane.segments()),
                default=0.0,
            )
        except OSError:
            return False
        return written <= self._oldest_kept()

    def _open(self, number: int) -> int:
        if self._fd < 0 or number != self._fd_segment:
            self.close()
            self._fd = os.open(self.lane.segment_path(number), os.O_RDONLY | os.O_CLOEXEC)
            self._fd_segment = number
        return self._fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def make_room(spool_dir: Path, most: int) -> None:
    """Remove the oldest torn lines of a spool directory until at most so many bytes are left."""
    torn = sorted((path.stat().st_mtime, path) for path in spool_dir.glob(f"{TORN}*"))
    left = sum(path.stat().st_size for _, path in torn)
    for _, path in torn:
        if left <= most:
            return
        left -= path.stat().st_size
        path.unlink()


class MemorySource:
    """Reads the queue in memory. What is read and not yet acknowledged is kept here."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self._sent: list[list[bytes]] = []
        self._again: list[list[bytes]] = []

    def begin(self, incarnation: str) -> None:
        """Nothing that was acknowledged is still here to be sent again."""

    def read(self) -> Chunk | None:
        lines = self._again.pop(0) if self._again else self._queue.take(CHUNK_BYTES)
        if not lines:
            return None
        self._sent.append(lines)
        return Chunk([line[:-1] for line in lines], Checkpoint())

    def acknowledge(self, chunk: Chunk) -> None:
        self._queue.free(self._sent.pop(0))

    def rewind(self) -> None:
        self._again = self._sent + self._again
        self._sent = []
