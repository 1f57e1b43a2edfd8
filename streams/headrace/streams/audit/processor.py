"""The processor ``audit``: what the policy selects of agent.events, copied to agent.audit.

Offsets are committed for the eyes of people and of the watchdog alone: where a worker begins is
what the saved state says. See :mod:`~headrace.streams.audit.duty`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from time import time
from typing import Any, Final, cast

from faust.types import TP, StreamT

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.events.topics import sealed_bytes
from headrace.sinks.audit.keys import DataKeys
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.audit.duty import SAVE_SECONDS, Duty, Tools
from headrace.streams.audit.link import NAME, Link
from headrace.streams.audit.partition import Bounds
from headrace.streams.audit.policy import Policy
from headrace.streams.processor import fail
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

__all__ = ["NAME", "AuditProcessor"]

CLEAR_BYTES: Final = 32_768
"""Room for a leaf's clear part, its record's key, headers and framing."""


class AuditProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        keys: DataKeys,
        policy: Policy,
        *,
        tuning: Tuning | None = None,
        save_seconds: float = SAVE_SECONDS,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings = settings
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._topic = settings.topic(topics.EVENTS)
        self._tools = Tools(
            self._linked, keys, policy, bounds_of(settings), metrics, clock, save_seconds
        )
        self._duties: dict[int, Duty] = {}
        self._link: Link | None = None
        self._linking = asyncio.Lock()
        self._changing = asyncio.Lock()
        self._lost = -1
        """The assignment that is over: a seek that comes late must not bring its duties back."""
        cast("Any", self.app.transport).starts = self._starts
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_before_shutdown.connect(self._revoked)
        source = self.app.topic(self._topic, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)

    @property
    def waiting_for_sink(self) -> bool:
        """Whether Kafka or the key store takes or gives nothing."""
        return any(duty.in_trouble for duty in self._duties.values())

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        await self._end_duties()
        if self._link is not None:
            await self._link.close()

    async def _linked(self) -> Link:
        async with self._linking:
            if self._link is None:
                self._link = await Link.make(self._settings)
            return self._link

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Take up the partitions that are new here; where those go on that have begun."""
        async with self._changing:
            consumer: Any = self.app.consumer
            if consumer.assignments == self._lost:
                return {}
            for number in sorted(tp.partition for tp in assigned if tp.topic == self._topic):
                if number not in self._duties:
                    self._duties[number] = self._duty(number, consumer)
            known = ((TP(self._topic, n), duty.offset) for n, duty in self._duties.items())
            return {tp: offset for tp, offset in known if offset is not None}

    def _duty(self, number: int, consumer: Any) -> Duty:
        place = TP(self._topic, number)
        duty = Duty(number, self._tools, lambda offset: consumer.rewind(place, offset))
        duty.start(partial(fail, self.failed))
        return duty

    async def _revoked(self, *_: Any, **__: Any) -> None:
        self._lost = cast("Any", self.app.consumer).assignments
        await self._end_duties()

    async def _end_duties(self) -> None:
        async with self._changing:
            duties, self._duties = self._duties, {}
            await asyncio.gather(*(duty.close() for duty in duties.values()))

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is the duty's: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            duty = self._duties.get(cast("RecordBatch", event.value).partition)
            if duty is not None:
                duty.take(event)
            yield


def bounds_of(settings: Settings) -> Bounds:
    """What a record of agent.audit holds: base64 takes four bytes for three, and there is a tag."""
    room = sealed_bytes(settings.max_event_bytes) - CLEAR_BYTES
    return Bounds(value_bytes=room * 3 // 4 - 16)
