"""From agent.spans to a receiver.

fetches of all partitions -> gathered -> what is to be forgotten or was sent lately goes no further
                                      -> requests, one at a time -> refused ones to the dead letters
                                                                 -> acknowledged

Nothing is acknowledged before the receiver took it. While it is away the transport stops fetching
when its buffers are full, and the worker stays in its group.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final, cast

from faust.types import StreamT

from headrace.events import topics
from headrace.events.errors import Poison
from headrace.events.settings import Settings
from headrace.sinks.otlp.exporter import Exporter
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.dead_letters import DeadLetter, DeadLetterWriter
from headrace.streams.erasure.owner import owner_of
from headrace.streams.erasure.standing import StandingOrders
from headrace.streams.gather import Gathered, Gatherer
from headrace.streams.limits import DeadLetterLimits, LimitGuard
from headrace.streams.otlp.recent import Recent, digest_of
from headrace.streams.otlp.sending import Sending
from headrace.streams.processor import fail
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

NAME: Final = "otlp"
LINGER: Final = 0.5
"""Seconds that a trickle waits for company: spans are looked at by people, not by alerts."""
MOST_RECORDS: Final = 4_096
MOST_BYTES: Final = 4 * 1024 * 1024


class OtlpProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        exporter: Exporter,
        metrics: Metrics,
        *,
        tuning: Tuning | None = None,
        limits: DeadLetterLimits | None = None,
    ) -> None:
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.waiting_for_sink = False
        self._metrics = metrics
        self._exporter = exporter
        self._sending = Sending(exporter, metrics, told=self._tell)
        self._standing = StandingOrders(settings)
        self._guard = LimitGuard(limits or DeadLetterLimits())
        self._gatherer = Gatherer(linger=LINGER, max_records=MOST_RECORDS, max_bytes=MOST_BYTES)
        self._recent = Recent()
        queue = settings.topic(topics.DEAD_LETTERS)
        self._dead_letters = DeadLetterWriter(self.app, queue, settings.max_event_bytes)
        source = self.app.topic(settings.topic(topics.SPANS), schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        self.app.task(self._work)
        self._tell(False)

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        await self._standing.close()
        await self._exporter.close()

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            self._gatherer.put(event)
            yield

    async def _work(self) -> None:
        try:
            await self._standing.ready()
            while True:
                await self._deliver(await self._gatherer.get())
        except Exception as error:  # whatever it is, what is in work stays unacknowledged
            fail(self.failed, error)

    async def _deliver(self, gathered: Gathered) -> None:
        letters: dict[int, DeadLetter] = {}

        def refused(index: int, poison: Poison) -> None:
            letters[index] = DeadLetter.of(*gathered.place(index), poison)
            self._guard.refused(letters[index].poison)

        wanted = self._wanted(gathered)
        values = [(index, gathered.values[index] or b"") for index in wanted]
        await self._sending.send(values, refused)
        for index, digest in wanted.items():
            if index not in letters:
                self._recent.add(digest)
        await self._finish(gathered, list(letters.values()))

    def _wanted(self, gathered: Gathered) -> dict[int, bytes]:
        """Choose what is to be sent: indexes with the digests of their values."""
        orders = self._standing.orders()
        wanted: dict[int, bytes] = {}
        seen: set[bytes] = set()
        for index, value in enumerate(gathered.values):
            if value and orders and orders.match(owner_of(value)) is not None:
                self._metrics.otlp_forgotten.inc()
                continue
            digest = digest_of(value or b"")
            if digest in self._recent or digest in seen:
                self._metrics.otlp_repeated.inc()
                continue
            seen.add(digest)
            wanted[index] = digest
        return wanted

    async def _finish(self, gathered: Gathered, letters: list[DeadLetter]) -> None:
        """Set aside what was refused; then, and only then, acknowledge."""
        ends = {(b.topic, b.partition): b.last_offset for b in gathered.batches}
        self._guard.written(len(gathered.values), [letter.poison for letter in letters], ends)
        if letters:
            await self._dead_letters.write(letters)
            self._metrics.otlp_dead_letters.inc(len(letters))
            log.warning("%d spans were dead-lettered: %s", len(letters), letters[-1].poison.reason)
        for event in gathered.events:
            event.ack()

    def _tell(self, waiting: bool) -> None:
        self.waiting_for_sink = waiting
        self._metrics.sink_up.labels(NAME).set(not waiting)
