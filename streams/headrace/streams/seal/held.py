"""A partition that is this worker's, and what of it Kafka was not told yet."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from faust.types import EventT

from headrace.streams.seal.partition import Partition


class LetGoError(Exception):
    """The partition went to another worker meanwhile."""


@dataclass(slots=True, eq=False)
class Held:
    """For one loop."""

    number: int
    partition: Partition
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Taking and sealing are one at a time."""
    gone: bool = False
    """Whether it is another worker's."""
    _events: deque[tuple[EventT[Any], int]] = field(default_factory=deque)
    """Batches that are not acknowledged yet, with their last offsets."""

    def took(self, event: EventT[Any], last_offset: int) -> None:
        """Remember a batch, until it is done with."""
        self._events.append((event, last_offset))

    def acknowledge(self) -> None:
        """Acknowledge what is done with: so a partition's lag is what is not sealed."""
        while self._events and self._events[0][1] < self.partition.waits_from:
            self._events.popleft()[0].ack()

    def forget_batches(self) -> None:
        """What is read again is acknowledged then."""
        self._events.clear()
