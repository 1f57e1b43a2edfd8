"""Writing a lane's segments, within a bound, with one system call an event."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from headrace.producers.lane import PRIVATE, Destination, Lane, used_bytes
from headrace.producers.limits import CHUNK, Quota

SEGMENT_BYTES: Final = 8 * 1024 * 1024
RECHECK: Final = 0.25
"""Seconds between two looks at the disk while it is full."""


class SpoolWriter:
    """Appends lines to the lane's last segment. See :class:`headrace.producers.store.Place`.

    Not safe for threads: its journal's lock is held around every call. Every method raises
    OSError when the disk does not take part; the writer is then of no use any more: abandon it.
    """

    def __init__(
        self, spool_dir: Path, destination: Destination, producer: str, quota: Quota
    ) -> None:
        self._spool_dir = spool_dir
        self._quota = quota
        self._segment_bytes = max(4096, min(SEGMENT_BYTES, quota.max_bytes // 8))
        self.lane, self._owner = Lane.create(spool_dir, destination, producer)
        self.written = 0
        """Lines in the lane, over its life."""
        self.rescued = 0
        """Lines that were read back after the directory vanished."""
        self.delivered_seen = 0
        """Lines that were known to be delivered at the last look."""
        self.gone = False
        """Whether the directory vanished with lines in it."""
        self.write = os.write
        self.fd = -1
        """The segment that :meth:`grant` last gave room in."""
        self._number = 0
        self._left = 0
        self._used = 0
        self._look_again = 0.0
        self._next_segment()

    def grant(self, size: int, rank: int) -> int | str:
        """Grant room until the segment or the quota for chunks ends, whichever comes first.

        Past the chunks' quota room is granted line by line, by the rank of each.
        """
        if self._left < size:
            self._next_segment()
        elif time.monotonic() >= self._look_again:
            self._measure()
        if self._used + size > self._quota.limit(rank):
            return self._quota.refusal(rank)
        free = self._quota.limit(CHUNK) - self._used
        granted = max(size, min(self._left, free))
        self._left -= granted
        self._used += granted
        return granted

    def _next_segment(self) -> None:
        self._number += 1
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(self.lane.segment_path(self._number), flags, PRIVATE)
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd
        self._left = self._segment_bytes
        self._measure()

    def _measure(self) -> None:
        self._used = used_bytes(self._spool_dir)
        self.delivered_seen = max(self.delivered_seen, self.lane.checkpoint().delivered)
        self._look_again = time.monotonic() + RECHECK

    def vanished(self) -> bool:
        """Whether somebody removed the segment under the writer: what it takes is lost then."""
        return os.fstat(self.fd).st_nlink == 0

    def rescue(self) -> list[bytes]:
        """Return the whole lines of a vanished segment: only this descriptor still reaches them."""
        self.gone = True
        size = os.fstat(self.fd).st_size
        content = os.pread(self.fd, size, 0)
        return content[: content.rfind(b"\n") + 1].splitlines(keepends=True)  # JSON has no bare \r

    def close(self) -> None:
        """Let go of the lane: whoever ships it may remove it once all is delivered."""
        for fd in (self.fd, self._owner):
            try:
                os.close(fd)
            except OSError:
                continue
        self.fd = self._owner = -1
