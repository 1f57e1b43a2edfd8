"""Gather the batches of all partitions into one big write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final, cast

import msgspec
from faust.types import EventT

from headrace.streams.transport import RecordBatch


@dataclass(slots=True)
class Gathered:
    """Batches in the order of their arrival; of one partition, in offset order."""

    events: list[EventT[Any]] = field(default_factory=list)
    """One a batch: acknowledge each when its records have landed."""
    values: list[bytes | None] = field(default_factory=list)
    """Of all records, batch after batch."""
    size: int = 0
    """Bytes of the values."""

    def add(self, event: EventT[Any]) -> None:
        batch = cast("RecordBatch", event.value)
        self.events.append(event)
        self.values.extend([record.value for record in batch.records])
        self.size += batch.size

    @property
    def batches(self) -> list[RecordBatch]:
        return [cast("RecordBatch", event.value) for event in self.events]

    @property
    def oldest(self) -> float:
        """The time of the oldest among the first records of each batch, in seconds since 1970.

        An event's own ``ts``; of what has none, when it was written.
        """
        return min(_time_of(batch.records[0]) for batch in self.batches)

    def place(self, index: int) -> tuple[RecordBatch, Any]:
        """Return the batch and the record of a value."""
        for batch in self.batches:
            if index < len(batch.records):
                return batch, batch.records[index]
            index -= len(batch.records)
        raise IndexError(index)


class _Timed(msgspec.Struct):
    ts: float


_timed: Final = msgspec.json.Decoder(_Timed).decode


def _time_of(record: Any) -> float:
    try:
        return _timed(record.value).ts
    except (msgspec.MsgspecError, TypeError, RecursionError):
        written: int = record.timestamp
        return written / 1000


class Gatherer:
    """A queue whose reader gets everything that arrived within ``linger`` seconds, in one piece.

    A write that is under way makes the next one bigger by itself; the linger only keeps a trickle
    from becoming hundreds of tiny inserts a second, which ClickHouse likes least. Unbounded: the
    transport bounds the bytes that are handed out. One reader, on the loop of the writer.
    """

    def __init__(
        self,
        *,
        linger: float,
        max_records: int,
        max_bytes: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._linger = linger
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._clock = clock
        self._queue: asyncio.Queue[EventT[Any]] = asyncio.Queue()

    def put(self, event: EventT[Any]) -> None:
        self._queue.put_nowait(event)

    async def get(self) -> Gathered:
        """Wait for a batch, then for its company. A single batch is never split."""
        gathered = Gathered()
        gathered.add(await self._queue.get())
        deadline = self._clock() + self._linger
        while len(gathered.values) < self._max_records and gathered.size < self._max_bytes:
            if self._queue.empty():
                left = deadline - self._clock()
                if left <= 0:
                    break
                try:
                    gathered.add(await asyncio.wait_for(self._queue.get(), left))
                except asyncio.TimeoutError:
                    break
            else:
                gathered.add(self._queue.get_nowait())
        return gathered
