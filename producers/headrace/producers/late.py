"""What threads leave that cannot wait for one that hangs in a write."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from headrace.producers.binding import Binding

LATE_BYTES: Final = 16 * 1024 * 1024
"""Bytes of events that may wait for a thread that hangs in a write."""
OVERHEAD: Final = 512
"""Bytes that a piece of work takes beside its event."""
GUARD_SECONDS: Final = 0.05
"""Only a signal handler that interrupts :meth:`Late.leave` itself waits so long."""

Work = Callable[[], None]


class Late:
    """A bounded row of work for whoever has the journal's lock next.

    ``leave`` and ``miss`` may be called from any thread and signal handler, and wait for nobody;
    the rest belongs to the holder of the journal's lock.
    """

    def __init__(self) -> None:
        self.row: deque[tuple[Work, int]] = deque()
        """The work with its cost in bytes. To look whether there is any: cheaper than a call."""
        self._guard = threading.Lock()
        self._bytes = 0
        self._missed: dict[Binding, int] = {}

    def leave(self, work: Work, size: int) -> bool:
        """Leave a piece of work; False where there is no room for it.

        ``size``: bytes of the event that it keeps, 0 where it keeps none.
        """
        cost = size + OVERHEAD if size else 0
        guarded = self._guard.acquire(timeout=GUARD_SECONDS)
        try:
            if self._bytes > LATE_BYTES:
                return False
            self._bytes += cost
            self.row.append((work, cost))
            return True
        finally:
            if guarded:
                self._guard.release()

    def miss(self, binding: Binding) -> None:
        """Count an event that found no room."""
        guarded = self._guard.acquire(timeout=GUARD_SECONDS)
        try:
            self._missed[binding] = self._missed.get(binding, 0) + 1
        finally:
            if guarded:
                self._guard.release()

    @property
    def waiting(self) -> int:
        """Events that wait, and those that found no room."""
        events = sum(1 for _, cost in list(self.row) if cost)
        return events + sum(list(self._missed.values()))

    def take(self) -> Work | None:
        """Take the oldest piece of work out; None where there is none."""
        try:
            work, cost = self.row.popleft()
        except IndexError:
            return None
        with self._guard:
            self._bytes -= cost
        return work

    def take_missed(self) -> dict[Binding, int]:
        """Take out how many events of each hook found no room."""
        with self._guard:
            missed, self._missed = self._missed, {}
        return missed
