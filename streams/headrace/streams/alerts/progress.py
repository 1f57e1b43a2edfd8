"""How far panes may be judged: what every source partition has been read up to.

A partition of which nothing was heard for a while does not hold the others up: what it brings later
is late, and late data are judged again. No watermark reaches beyond now, whatever an agent's clock
says.
"""

from __future__ import annotations

from typing import Final

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.records import Watermark

PATIENCE: Final = PANE_SECONDS + 2.0
"""Seconds without a heartbeat after which a partition is not waited for: one comes each pane, right
at its end."""


class Progress:
    """The watermarks of all source partitions. Belongs to one thread."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._heard: dict[int, tuple[Watermark, float]] = {}
        self._end = 0

    def take(self, heartbeat: Watermark, now: float) -> None:
        """Take a heartbeat in, heard at ``now`` (s since 1970); an older one changes nothing."""
        before = self._heard.get(heartbeat.partition)
        if before is None or _newer(heartbeat, before[0]):
            self._heard[heartbeat.partition] = (heartbeat, now)

    def end(self, now: float) -> int:
        """Give the end of the last pane that may be judged (s since 1970), 0 before there is one.

        It never goes back.
        """
        live = [
            heartbeat.watermark
            for heartbeat, heard in self._heard.values()
            if now - heard <= self._patience
        ]
        if live:
            reached = int(min(*live, now))
            self._end = max(self._end, reached - reached % PANE_SECONDS)
        return self._end


def _newer(one: Watermark, other: Watermark) -> bool:
    """Whether a heartbeat is no older worker's. Without new events the watermark alone goes on."""
    if one.log != other.log:
        return True
    return (one.offset, one.watermark) > (other.offset, other.watermark)
