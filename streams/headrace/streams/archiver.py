"""What the archive does with one topic: its records become rows of one table.

fetches of all partitions -> gathered -> what is to be forgotten goes no further, and is counted
                                      -> scrubbed, where enabled
                                      -> one insert -> refused ones to the dead letters
                                                    -> acknowledged
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic, time
from typing import TYPE_CHECKING, Any, cast

from faust.types import StreamT

from headrace.events.errors import Poison, Retryable
from headrace.sinks.base import Refused, Sink, Values
from headrace.streams.backoff import Backoff
from headrace.streams.dead_letters import DeadLetter, DeadLetterWriter
from headrace.streams.erasure.eraser import Division, Eraser
from headrace.streams.gather import Gathered, Gatherer
from headrace.streams.limits import DeadLetterLimits, LimitGuard
from headrace.streams.worker_metrics import Metrics

if TYPE_CHECKING:
    from headrace.streams.scrub.batches import BatchScrubber  # needs the extra scrub

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How the archive gathers, and when it gives up. For each topic by itself."""

    linger: float = 0.1
    """Seconds that a trickle waits for company: part of the latency from event to SELECT."""
    max_records: int = 50_000
    max_bytes: int = 24 * 1024 * 1024
    limits: DeadLetterLimits = field(default_factory=DeadLetterLimits)


class Archiver:
    """Writes the records of one topic. Everything of it on one loop."""

    def __init__(
        self,
        topic: str,
        sink: Sink,
        dead_letters: DeadLetterWriter,
        metrics: Metrics,
        options: ArchiveOptions,
        *,
        told: Callable[[], None],
        eraser: Eraser | None = None,
        scrubber: BatchScrubber | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        """Make one. ``told``: is called whenever :attr:`waiting` was set.

        ``eraser``: where the topic's records are people's.
        """
        self.sink = sink
        self.waiting = False
        """For ClickHouse, with a batch in hand that it did not take."""
        self._topic = topic
        self._dead_letters = dead_letters
        self._metrics = metrics
        self._told = told
        self._eraser = eraser
        self._scrubber = scrubber
        self._clock = clock
        self._guard = LimitGuard(options.limits)
        self._backoff = Backoff()
        self._gatherer = Gatherer(
            linger=options.linger, max_records=options.max_records, max_bytes=options.max_bytes
        )
        self._taking = asyncio.Lock()
        self._last_taken = asyncio.Event()
        self._last_taken.set()

    async def collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        """Take batches in: the body of a Faust agent."""
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            self._gatherer.put(event)
            yield

    async def work(self) -> None:
        """Deliver until cancelled; several tasks may. What it raises leaves its batch unread."""
        if self._eraser is not None:
            await self._eraser.ready()
        while True:
            await self._deliver_next()

    async def _deliver_next(self) -> None:
        """Take what has gathered, write it, and finish it after what was taken before.

        While one batch is being acknowledged or on its way, the server works on the other.
        """
        async with self._taking:
            gathered = await self._gatherer.get()
            before, self._last_taken = self._last_taken, (finished := asyncio.Event())
        started = monotonic()
        letters: dict[int, DeadLetter] = {}
        division = None if self._eraser is None else self._eraser.divide(gathered)
        kept = range(len(gathered.values)) if division is None else division.kept
        values: Values = [gathered.values[place] for place in kept] if division else gathered.values
        scrubbed = None if self._scrubber is None else await self._scrubber.scrub(values)

        def refused(index: int, poison: Poison) -> None:
            if index not in letters:
                batch, record = gathered.place(kept[index])
                letter = DeadLetter.of(batch, record, poison)
                if self._scrubber is not None and scrubbed is not None:
                    letter = self._scrubber.cleaned(letter, scrubbed, index)
                letters[index] = letter
                self._guard.refused(letter.poison)

        if scrubbed is not None:
            values = scrubbed.values
            # Told first: for the sink they have no value, which it would give as the reason.
            for index, why in scrubbed.withheld.items():
                refused(index, Poison(why))
        landed = await self._write(self.sink, values, refused)
        if landed:
            age = self._clock() - gathered.oldest
            # Other machines' clocks may be ahead, and a histogram's sum must not fall.
            self._metrics.freshness.labels(self._topic).observe(max(age, 0.0))
        await before.wait()
        # Not sooner: whoever finds a number in the ledger may take it that all before has landed.
        if division is not None:
            await self._count_erased(gathered, division)
        await self._finish(gathered, list(letters.values()))
        finished.set()
        self._metrics.insert_seconds.labels(self._topic).observe(monotonic() - started)
        self._metrics.rows.labels(self._topic).inc(landed)
        self._metrics.batches.labels(self._topic).inc()
        self._metrics.bytes.labels(self._topic).inc(gathered.size)

    async def _finish(self, gathered: Gathered, letters: list[DeadLetter]) -> None:
        """Set aside what was refused; then, and only then, acknowledge."""
        ends = {(b.topic, b.partition): b.last_offset for b in gathered.batches}
        self._guard.written(len(gathered.values), [letter.poison for letter in letters], ends)
        if letters:
            await self._set_aside(letters)
        for event in gathered.events:
            event.ack()

    async def _count_erased(self, gathered: Gathered, division: Division) -> None:
        assert self._eraser is not None  # noqa: S101 - it made the division
        await self._write(self._eraser.dropped, division.lines.dropped, _never)
        await self._write(self._eraser.erased, division.lines.erased, _never)
        self._metrics.erased.labels(self._topic).inc(len(gathered.values) - len(division.kept))

    async def _write(self, sink: Sink, values: Values, refused: Refused) -> int:
        while True:
            try:
                landed = await sink.write(values, refused)
            except Retryable as error:
                code = "none" if error.code is None else error.code
                self._metrics.retries.labels(self._topic, code).inc()
                if not self.waiting:
                    log.warning(
                        "ClickHouse did not take a batch of %s, trying until it does: %s",
                        self._topic,
                        error,
                    )
                self._set_waiting(True)
                await asyncio.sleep(self._backoff.wait())
            else:
                if self.waiting:
                    log.warning("ClickHouse takes batches of %s again", self._topic)
                self._set_waiting(False)
                self._backoff.reset()
                return landed

    def _set_waiting(self, waiting: bool) -> None:
        self.waiting = waiting
        self._told()

    async def _set_aside(self, letters: list[DeadLetter]) -> None:
        await self._dead_letters.write(letters)
        for letter in letters:
            self._metrics.dead_letters.labels(self._topic, letter.kind).inc()
        log.warning(
            "%d records of %s were dead-lettered: %s",
            len(letters),
            self._topic,
            letters[-1].poison.reason,
        )


def _never(_: int, poison: Poison) -> None:
    """Refuse to go on: the ledgers' lines are ours, and none of them may be lost."""
    raise poison
