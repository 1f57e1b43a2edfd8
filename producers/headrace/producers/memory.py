"""A bounded queue of lines in memory: for the last microsecond, or while the disk is away."""

from __future__ import annotations

from collections import deque

from headrace.producers.limits import CHUNK, Quota


class MemoryQueue:
    """Lines that wait for Kafka in this process. See :class:`headrace.producers.store.Place`.

    Appended to under the journal's lock, taken from by the one shipper thread: each side owns one
    of the two counters, so that neither waits for the other.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._lines: deque[bytes] = deque()
        self._added = 0
        self._freed = 0
        self.fd = -1
        self.written = 0
        """Lines that were taken in."""
        self.delivered = 0
        """Lines that Kafka acknowledged."""

    def grant(self, size: int, rank: int) -> int | str:
        """Grant room up to the quota for chunks; past it for this line alone, by its rank."""
        used = self.used_bytes
        if used + size > self._quota.limit(rank):
            return self._quota.refusal(rank)
        return max(size, self._quota.limit(CHUNK) - used)

    def write(self, _fd: int, line: bytes) -> int:
        """Take a line in: its length."""
        size = len(line)
        self._lines.append(line)
        self._added += size
        return size

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
