"""Adding up what became of the events."""

from __future__ import annotations

from headrace.producers import limits
from headrace.producers.journal import Journal
from headrace.producers.memory import MemoryQueue
from headrace.producers.report import Report
from headrace.producers.spool import SpoolWriter
from headrace.producers.store import Store

VANISHED = "vanished"


class Accounts:
    """Counts from the journal, the lanes' checkpoints and the queue in memory. Any thread."""

    def __init__(self, journal: Journal, store: Store, memory: MemoryQueue) -> None:
        self._journal = journal
        self._store = store
        self._memory = memory
        self._given_up = 0
        self._settled = 0

    def report(self) -> Report:
        """Read the counts. Touches the disk; never raises."""
        self._settle()
        # What was delivered is read first: it was accepted before, so none can seem to be too many.
        delivered, vanished = self._memory.delivered + self._settled, 0
        writers = [*self._store.retired]
        if (spool := self._store.spool) is not None:
            writers.append(spool)
        for writer in writers:
            done, lost = delivered_of(writer)
            delivered += done
            vanished += lost
        accepted, dropped = self._journal.counts()
        if vanished:
            dropped[VANISHED] = dropped.get(VANISHED, 0) + vanished
        if self._given_up:
            dropped[limits.UNDELIVERED] = dropped.get(limits.UNDELIVERED, 0) + self._given_up
        spooled = accepted - delivered - sum(dropped.values())
        return Report(accepted, delivered, spooled, dropped, self._store.slow_writes)

    def left_behind(self) -> bool:
        """Whether a lane that was given up still waits for Kafka. Reads the lanes, if there are."""
        self._settle()
        return any(not writer.gone for writer in self._store.retired)

    def _settle(self) -> None:
        """Forget the lanes that were given up and are delivered, but for their count."""
        for writer in [*self._store.retired]:
            done, _ = delivered_of(writer)
            if writer.gone or done < writer.written:
                continue
            try:
                self._store.retired.remove(writer)
            except ValueError:  # another thread was quicker
                continue
            self._settled += done

    def give_up_memory(self) -> None:
        """The process ends: what only memory still holds is lost."""
        self._given_up = self._memory.written - self._memory.delivered + self._journal.waiting


def delivered_of(writer: SpoolWriter) -> tuple[int, int]:
    """Return ``(delivered, lost)`` of a lane's lines. A lane that was removed was delivered."""
    own = writer.written - writer.rescued
    if writer.gone:
        done = min(writer.delivered_seen, own)
        return done, own - done
    if not writer.lane.path.exists():
        return own, 0
    return min(writer.lane.checkpoint().delivered, own), 0
