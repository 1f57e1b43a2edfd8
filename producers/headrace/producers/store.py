"""Where a line survives: the spool, or bounded memory while the disk does not take part."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from headrace.producers import limits
from headrace.producers.memory import MemoryQueue
from headrace.producers.spool import SpoolWriter
from headrace.producers.warn import Warnings

SLOW: Final = 0.05
"""Seconds after which a write counts as slow."""
TORN: Final = "is full: it took a part of a line"
SLOW_RUN: Final = 3
"""Timed slow writes in a row, after which events go to memory. A single one is most often the
machine's processors being busy, and must not cost a second of durability."""
STALLED: Final = 1.0
"""Seconds after which one write is enough."""
RETRY: Final = 1.0
"""Seconds until a disk that failed is tried again, doubled with each failure."""
RETRY_MAX: Final = 30.0


class Place(Protocol):
    """Where lines are kept just now. Every method may raise OSError."""

    written: int
    """Lines that it took in; counted by the store."""

    def grant(self, size: int, rank: int) -> int | str:
        """Return how many bytes may be written, at least ``size``; or the reason for none."""
        ...

    fd: int
    """Given to ``write``. Another one after each grant."""

    @property
    def write(self) -> Callable[[int, bytes], int]:
        """Takes ``fd`` and a line and says how many bytes of the line it kept."""
        ...


class Store:
    """Keeps lines until a shipper has carried them off.

    :meth:`put` is the careful way. Where there is ``room`` and no reason to doubt the disk, the
    journal writes by itself, since a call and a look at the clock are a tenth of what an event
    costs: it takes the line's length off ``room``, calls ``write(fd, line)``, counts the place's
    ``written`` up, and gives what goes wrong to :meth:`instead`.

    Not safe for threads: the journal's lock is held around everything. Nothing here raises.
    """

    room: int
    """Bytes that may be written without asking."""
    write: Callable[[int, bytes], int]
    fd: int
    place: Place

    def __init__(
        self,
        open_spool: Callable[[], SpoolWriter] | None,
        memory: MemoryQueue,
        warn: Warnings,
        *,
        on_memory: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._open_spool = open_spool
        self._memory = memory
        self._warn = warn
        self._on_memory = on_memory
        self._clock = clock
        self.spool: SpoolWriter | None = None
        self.retired: list[SpoolWriter] = []
        """Writers that were given up; their lanes are the shipper's."""
        self.slow_writes = 0
        self._slow_run = 0
        self._memory_in_use = False
        self._retry_at = 0.0
        self._retry_delay = RETRY / 2
        self._use(memory)

    def _use(self, place: Place) -> None:
        self.place = place
        self.room = 0
        self.write = place.write
        self.fd = place.fd

    def put(self, line: bytes, rank: int) -> str | None:
        """Keep a line that ends in a newline; the reason where there is no room for it.

        Asks for room, and notices a disk that is slow.
        """
        size = len(line)
        began = self._clock()
        try:
            if self.room < size and (refusal := self._make_room(size, rank)):
                return refusal
            self.room -= size
            taken = self.write(self.fd, line)
        except OSError as error:
            return self.instead(line, rank, unwritten(error))
        if taken != size:
            return self.instead(line, rank, TORN)
        self.place.written += 1
        if (took := self._clock() - began) > SLOW:
            self._slow_write(took)
        else:
            self._slow_run = 0
        return None

    def instead(self, line: bytes, rank: int, why: str) -> str | None:
        """Keep a line that the spool did not take, and those that follow, in memory."""
        self._give_up_spool(why)
        return self.put(line, rank)

    def _make_room(self, size: int, rank: int) -> str | None:
        granted = self.place.grant(size, rank)
        if isinstance(granted, str):
            return granted
        self.room = granted
        self.fd = self.place.fd
        if self.spool is None and not self._memory_in_use:
            self._memory_in_use = True
            self._on_memory()
        return None

    @property
    def kept(self) -> int:
        """Lines kept so far where lines are kept just now."""
        return self.place.written

    def look_after(self, now: float) -> None:
        """Open the spool where there is none, and notice one that vanished."""
        if self.spool is None:
            self._try_spool(now)
        elif self.spool.vanished():
            self._rescue()
            self._try_spool(now)
        else:
            self._retry_delay = RETRY / 2

    def release(self) -> None:
        """Let go of the lane, for another shipper to take."""
        if self.spool is not None:
            self._leave(self.spool)

    def after_fork(self) -> None:
        """In the child: the lane, and what waits in memory, are the parent's."""
        if self.spool is not None:
            # The lock on the lane lives as long as any copy of its descriptor: let the parent's be
            # the only one.
            self.spool.close()
            self.spool = None
        self.retired.clear()
        self._memory.forget()
        self._use(self._memory)
        self._memory_in_use = False
        self._retry_at = 0.0

    def _slow_write(self, took: float) -> None:
        if self.spool is None:  # the machine is busy: memory is never slow
            return
        self.slow_writes += 1
        self._slow_run += 1
        if self._slow_run >= SLOW_RUN or took > STALLED:
            self._slow_run = 0
            self._give_up_spool("is slow")

    def _try_spool(self, now: float) -> None:
        if self._open_spool is None or now < self._retry_at:
            return
        self._retry_delay = min(self._retry_delay * 2, RETRY_MAX)
        self._retry_at = now + self._retry_delay
        try:
            self.spool = self._open_spool()
        except OSError as error:
            self._warn("spool", "headrace's spool cannot be opened (%s): using memory", error)
            return
        self._use(self.spool)
        self._memory_in_use = False

    def _give_up_spool(self, why: str) -> None:
        if self.spool is None:
            return
        self._warn("spool", "headrace's spool %s: using memory", why)
        self._retry_at = max(self._retry_at, self._clock() + RETRY)
        self._leave(self.spool)

    def _leave(self, spool: SpoolWriter) -> None:
        self.spool = None
        self._use(self._memory)
        spool.close()
        if spool.written:
            self.retired.append(spool)
        else:
            spool.lane.remove()

    def _rescue(self) -> None:
        """Queue again what only the open descriptor still holds. Some may be delivered twice."""
        if self.spool is None:
            return
        try:
            lines = self.spool.rescue()
        except OSError:
            lines = []
        for line in lines:
            if isinstance(self._memory.grant(len(line), limits.EVIDENCE), int):
                self._memory.write(self._memory.fd, line)
                self._memory.written += 1
                self.spool.rescued += 1
        self._give_up_spool("vanished")
        self._retry_at = 0.0


def unwritten(error: OSError) -> str:
    """Say why the spool is given up."""
    return f"cannot be written ({error.strerror})"
