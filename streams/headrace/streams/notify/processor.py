"""The processor ``notify``: one worker has agent.alerts.log and tells, the others stand by.

Offsets are committed for the eyes of people and of the watchdog alone: where a worker begins is
what the saved state says. See :mod:`~headrace.streams.notify.duty`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import time
from typing import Any, cast

from faust.types import TP, StreamT

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.notify.duty import Duty
from headrace.streams.notify.parts import Plan
from headrace.streams.notify.tally import Tally
from headrace.streams.processor import fail
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.watchdog import ASK_SECONDS
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

NAME = "notify"


class NotifyProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        plan: Plan,
        metrics: Metrics,
        *,
        tuning: Tuning | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._metrics = metrics
        self._clock = clock
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._place = TP(settings.topic(topics.ALERTS_LOG), 0)
        self._duty: Duty | None = None
        self._changing = asyncio.Lock()
        self._lost = -1
        """The assignment that is over: a seek that comes late must not bring its duty back."""
        cast("Any", self.app.transport).starts = self._starts
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_before_shutdown.connect(self._revoked)
        source = self.app.topic(self._place.topic, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        if not plan.receivers:
            log.warning("the rules file has no [[receiver]]: alerts are listed, nobody is told")

    @property
    def waiting_for_sink(self) -> bool:
        """Whether Kafka takes or gives nothing; a receiver that is down is no matter of health."""
        return self._duty is not None and not self._duty.healthy

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        await self._end_duty()

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Take up the duty if the partition is ours; where it goes on reading."""
        async with self._changing:
            consumer: Any = self.app.consumer
            if self._place not in assigned or consumer.assignments == self._lost:
                return {}
            if self._duty is None:
                ends = await asyncio.wait_for(consumer.highwaters(self._place), ASK_SECONDS)
                tally = Tally(self._metrics, self._clock)
                self._duty = await Duty.begin(
                    self._settings, self._plan, tally, ends[self._place] or 0, self._clock
                )
                self._duty.start(partial(fail, self.failed))
            return {self._place: self._duty.offset}

    async def _revoked(self, *_: Any, **__: Any) -> None:
        self._lost = cast("Any", self.app.consumer).assignments
        await self._end_duty()

    async def _end_duty(self) -> None:
        async with self._changing:
            duty, self._duty = self._duty, None
            if duty is not None:
                await duty.close()

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            batch = cast("RecordBatch", event.value)
            # Otherwise a rebalance is under way: it comes again.
            if self._duty is not None and batch.begins <= self._duty.offset:
                try:
                    self._duty.take(batch.records)
                    event.ack()
                except Exception as error:
                    fail(self.failed, error)
                    raise
            yield
