"""The lanes that one shipper looks after: its own, and those that dead processes left."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from headrace.producers.condition import remove_dead
from headrace.producers.lane import Destination, Lane, try_lock
from headrace.producers.sources import LaneSource, Source

ADOPT: Final = 1.0
"""Seconds between two searches for lanes that were left behind."""
SWEEP: Final = 5.0
"""Seconds between two removals of what need not be kept."""
UNBORN: Final = 60.0
"""Seconds after which what is made in a moment, and is not locked, is left behind."""


class Lanes:
    """Finds lanes, locks them, and removes them when they are done. One loop's only.

    Every lane that it takes has its ``ship.lock``, so no two shippers ship it at once. ``former``
    are names that the destination had before.
    """

    def __init__(
        self,
        spool_dir: Path,
        destination: Destination,
        producer: str,
        keep: float | None,
        *,
        former: Collection[Destination] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool_dir = spool_dir
        self._destinations = {destination, *former}
        self._producer = producer
        self._keep = keep
        self._monotonic = monotonic
        self._taken: dict[Path, tuple[LaneSource, int]] = {}
        self._adopt_at = 0.0
        self._sweep_at = 0.0

    def sources(self) -> list[Source]:
        """Return the sources to read now. Never raises."""
        now = self._monotonic()
        if now >= self._adopt_at:
            self._adopt_at = now + ADOPT
            self.adopt()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP
            self.sweep()
        return [source for source, _ in self._taken.values()]

    def adopt(self) -> None:
        """Take what has come, without waiting for the next search. Never raises."""
        for lane in Lane.all(self._spool_dir):
            if lane.path not in self._taken:
                self._take(lane)

    def _take(self, lane: Lane) -> None:
        try:
            about = lane.about()
            if about is None or about[0] not in self._destinations:
                return
            if about[1] != self._producer and lane.owner_lives():
                return
            lock = try_lock(lane.path / "ship.lock")
        except OSError:
            return
        if lock is not None:
            self._taken[lane.path] = (LaneSource(lane, self._keep), lock)

    def sweep(self) -> None:
        """Remove segments, and all that dead processes left, that need not be kept."""
        for path, (source, lock) in list(self._taken.items()):
            try:
                source.sweep()
                if not path.exists():
                    self._release(path, source, lock)
                elif not source.lane.owner_lives() and source.expired():
                    source.lane.remove()
                    self._release(path, source, lock)
            except OSError:
                self._release(path, source, lock)
        before = time.time() - UNBORN
        Lane.remove_unborn(self._spool_dir, before)
        remove_dead(self._spool_dir, before)

    def _release(self, path: Path, source: LaneSource, lock: int) -> None:
        del self._taken[path]
        source.close()
        os.close(lock)

    def serves_the_living(self) -> bool:
        """Whether more may come: a producer of one of the lanes is still there."""
        return any(_or_false(source.lane.owner_lives) for source, _ in self._taken.values())

    def drained(self) -> bool:
        """Whether all that is in the lanes now is delivered."""
        return all(_or_false(source.drained) for source, _ in self._taken.values())

    def close(self) -> None:
        self.sweep()
        for path, (source, lock) in list(self._taken.items()):
            self._release(path, source, lock)


def _or_false(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except OSError:
        return False


def undelivered_bytes(spool_dir: Path) -> int:
    """Count the bytes of a spool directory that Kafka has not acknowledged."""
    total = 0
    for lane in Lane.all(spool_dir):
        checkpoint = lane.checkpoint()
        for number in lane.segments():
            if number < checkpoint.segment:
                continue
            try:
                size = lane.segment_path(number).stat().st_size
            except OSError:
                continue
            total += size - (checkpoint.offset if number == checkpoint.segment else 0)
    return total
