"""What became of the events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """Counts of events since the producer was made, in this process.

    ``accepted == delivered + spooled + sum(dropped.values())``, always.
    """

    accepted: int
    """Events that the hook took and numbered, its own end markers included."""
    delivered: int
    """Acknowledged by Kafka (acks=all)."""
    spooled: int
    """Still on disk or in memory, on their way."""
    dropped: dict[str, int]
    """Given up, by reason."""
    slow_writes: int = 0
    """Writes to the spool that were seen to take over 50 ms. Three in a row, or one of over a
    second, and the events of the next second are kept in memory. A write is timed where the event
    before it came over 50 ms ago: the first slow one after a busy time is not."""
