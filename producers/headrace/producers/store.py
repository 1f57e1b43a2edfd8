"""Where a line survives: the spool, or bounded memory while the disk does not take part."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from headrace.producers import limits
from headrace.producers.memory import MemoryQueue
from headrace.producers.spool import SpoolWriter
from headrace.producers.warn import Warnings

SLOW: Final = 0.05
"""Seconds after which a write counts as slow."""
SLOW_RUN: Final = 3
"""Slow writes in a row after which the next events go to memory. A single one is most often the
machine's processors being busy, and must not cost a second of durability."""
STALLED: Final = 1.0
"""Seconds after which one write is enough."""
RETRY: Final = 1.0
"""Seconds until a disk that failed is tried again, doubled with each failure."""
RETRY_MAX: Final = 30.0


class Store:
    """Keeps lines until a shipper has carried them off.

    Not safe for threads: the journal's lock is held around every call. Nothing here raises.
    """

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

    def put(self, line: bytes, rank: int, now: float) -> str | None:
        """Keep a line; the reason where there is no room. ``now`` is when its event came."""
        spool = self.spool
        if spool is not None:
            try:
                refusal = spool.append(line, rank)
            except OSError as error:
                self._give_up_spool(f"cannot be written ({error.strerror})")
            else:
                if (took := self._clock() - now) > SLOW:
                    self._slow_write(took)
                elif self._slow_run:
                    self._slow_run = 0
                return refusal
        refusal = self._memory.append(line, rank)
        if not self._memory_in_use:
            self._memory_in_use = True
            self._on_memory()
        return refusal

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
            self._retire(self.spool)
            self.spool = None

    def after_fork(self) -> None:
        """In the child: the lane, and what waits in memory, are the parent's."""
        if self.spool is not None:
            # The lock on the lane lives as long as any copy of its descriptor: let the parent's be
            # the only one.
            self.spool.close()
            self.spool = None
        self.retired.clear()
        self._memory.forget()
        self._memory_in_use = False
        self._retry_at = 0.0

    def _slow_write(self, took: float) -> None:
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
            self._memory_in_use = False
        except OSError as error:
            self._warn("spool", "headrace's spool cannot be opened (%s): using memory", error)

    def _give_up_spool(self, why: str) -> None:
        if self.spool is None:
            return
        self._warn("spool", "headrace's spool %s: using memory", why)
        self._retry_at = max(self._retry_at, self._clock() + RETRY)
        spool, self.spool = self.spool, None
        self._retire(spool)

    def _retire(self, spool: SpoolWriter) -> None:
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
            if self._memory.append(line, limits.EVIDENCE) is None:
                self.spool.rescued += 1
        self._give_up_spool("vanished")
        self._retry_at = 0.0
