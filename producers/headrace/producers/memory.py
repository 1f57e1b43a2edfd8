"""A bounded queue of lines in memory: for the last microsecond, or while the disk is away."""

from __future__ import annotations

from collections import deque

from headrace.producers.limits import Quota


class MemoryQueue:
    """Lines that wait for Kafka in this process.

    Appended to under the journal's lock, taken from by the one shipper thread: each side owns one
    of the two counters, so that neither waits for the other.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._lines: deque[bytes] = deque()
        self._added = 0
        self._freed = 0
        self.written = 0
        """Lines that were taken in."""
        self.delivered = 0
        """Lines that Kafka acknowledged."""

    def append(self, line: bytes, rank: int) -> str | None:
        """Take a line in; the reason where there is no room for it."""
        size = len(line)
        if self._added - self._freed + size > self._quota.limit(rank):
            return self._quota.refusal(rank)
        self._lines.append(line)
        self._added += size
        self.written += 1
        return None

    @property
    def used_bytes(self) -> int:
        return self._added - self._freed

    def take(self, max_bytes: int) -> list[bytes]:
        """Take lines out, to be freed once they are delivered. For the shipper alone."""
        taken: list[bytes] = []
        size = 0
        while self._lines and size < max_bytes:
            line = self._lines.popleft()
            taken.append(line)
            size += len(line)
        return taken

    def free(self, lines: list[bytes]) -> None:
        """Give the room of delivered lines back. For the shipper alone."""
        self.delivered += len(lines)
        self._freed += sum(map(len, lines))

    def forget(self) -> None:
        """After a fork: the lines are the parent's to deliver."""
        self._lines = deque()
        self._added = self._freed = self.written = self.delivered = 0
