"""The archive: every event of agent.events becomes a row in ClickHouse.

    fetches of all partitions -> gathered -> one insert -> refused ones to the dead letters
                                                        -> acknowledged

Nothing is acknowledged before it has landed or stands in the dead-letter queue. ClickHouse away:
the gathered batch is offered again and again, the transport stops fetching when its buffers are
full, and the worker stays in its group.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast

from faust.types import StreamT

from headrace.events import topics
from headrace.events.errors import Poison, Retryable
from headrace.events.settings import Settings
from headrace.sinks.base import Refused, Sink
from headrace.sinks.clickhouse import PARALLEL
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.backoff import Backoff
from headrace.streams.dead_letters import DeadLetter, DeadLetterWriter
from headrace.streams.gather import Gathered, Gatherer
from headrace.streams.limits import DeadLetterLimits, LimitGuard
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

NAME = "archive"


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """How the archive gathers, and when it gives up."""

    linger: float = 0.1
    """Seconds that a trickle waits for company: part of the latency from event to SELECT."""
    max_records: int = 50_000
    max_bytes: int = 24 * 1024 * 1024
    limits: DeadLetterLimits = field(default_factory=DeadLetterLimits)


class Archive:
    """The processor ``archive``. See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        metrics: Metrics,
        *,
        tuning: Tuning | None = None,
        options: ArchiveOptions | None = None,
    ) -> None:
        options = options or ArchiveOptions()
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.waiting_for_sink = False
        self._sink = sink
        self._metrics = metrics
        self._guard = LimitGuard(options.limits)
        self._backoff = Backoff()
        self._gatherer = Gatherer(
            linger=options.linger, max_records=options.max_records, max_bytes=options.max_bytes
        )
        self._dead_letters = DeadLetterWriter(
            self.app, settings.topic(topics.DEAD_LETTERS), settings.max_event_bytes
        )
        source = self.app.topic(settings.topic(topics.EVENTS), schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        self._taking = asyncio.Lock()
        self._last_taken = asyncio.Event()
        self._last_taken.set()
        for _ in range(PARALLEL):
            self.app.task(self._work)

    async def sink_healthy(self) -> bool:
        return await self._sink.healthy()

    async def close(self) -> None:
        await self._sink.close()

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            self._gatherer.put(event)
            yield

    async def _work(self) -> None:
        try:
            while True:
                await self._deliver_next()
        except Exception as error:  # whatever it is, what is in work stays unacknowledged
            if not self.failed.done():
                self.failed.set_result(error)

    async def _deliver_next(self) -> None:
        """Take what has gathered, write it, and finish it after what was taken before.

        While one batch is being acknowledged or on its way, the server works on the other.
        """
        async with self._taking:
            gathered = await self._gatherer.get()
            before, self._last_taken = self._last_taken, (finished := asyncio.Event())
        started = monotonic()
        letters: dict[int, DeadLetter] = {}

        def refused(index: int, poison: Poison) -> None:
            if index not in letters:
                batch, record = gathered.place(index)
                letter = letters[index] = DeadLetter.of(batch, record, poison)
                self._guard.refused(letter.poison)

        landed = await self._write(gathered, refused)
        await before.wait()
        await self._finish(gathered, list(letters.values()))
        finished.set()
        self._metrics.insert_seconds.observe(monotonic() - started)
        self._metrics.rows.inc(landed)
        self._metrics.batches.inc()
        self._metrics.bytes.inc(gathered.size)

    async def _finish(self, gathered: Gathered, letters: list[DeadLetter]) -> None:
        """Set aside what was refused; then, and only then, acknowledge."""
        ends = {(b.topic, b.partition): b.last_offset for b in gathered.batches}
        self._guard.written(len(gathered.values), [letter.poison for letter in letters], ends)
        if letters:
            await self._set_aside(letters)
        for event in gathered.events:
            event.ack()

    async def _write(self, gathered: Gathered, refused: Refused) -> int:
        while True:
            try:
                landed = await self._sink.write(gathered.values, refused)
            except Retryable as error:
                self._metrics.retries.labels("none" if error.code is None else error.code).inc()
                if not self.waiting_for_sink:
                    log.warning("ClickHouse did not take a batch, trying until it does: %s", error)
                self._set_waiting(True)
                await asyncio.sleep(self._backoff.wait())
            else:
                if self.waiting_for_sink:
                    log.warning("ClickHouse takes batches again")
                self._set_waiting(False)
                self._backoff.reset()
                return landed

    def _set_waiting(self, waiting: bool) -> None:
        self.waiting_for_sink = waiting
        self._metrics.sink_up.labels(NAME).set(not waiting)

    async def _set_aside(self, letters: list[DeadLetter]) -> None:
        await self._dead_letters.write(letters)
        for letter in letters:
            self._metrics.dead_letters.labels(letter.kind).inc()
        log.warning("%d records were dead-lettered: %s", len(letters), letters[-1].poison.reason)
