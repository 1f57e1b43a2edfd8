"""The processor ``metrics``: events in, panes out.

    fetches of each partition -> its state -> every second: panes to agent.metrics
                                          -> behind each pane's end: a watermark
                                          -> now and then: the state itself, to go on from

Offsets are committed for the eyes of people and of the watchdog alone. Where a worker begins is
what the saved state says; what had been read past it is read again, and gives the same values.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import time
from typing import Any, cast

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP, StreamT

from headrace.events import topics
from headrace.events.errors import Retryable
from headrace.events.metrics import PANE_SECONDS
from headrace.events.settings import Settings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.producers.kafka_log import incarnation_of
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.backoff import Backoff
from headrace.streams.metrics.exposition import PartitionsCollector, Shown
from headrace.streams.metrics.panes_log import PanesLog
from headrace.streams.metrics.partition import Bounds, Partition
from headrace.streams.metrics.prices import Prices, load
from headrace.streams.processor import fail
from headrace.streams.producer import start_producer
from headrace.streams.read_up import is_read_up
from headrace.streams.same_log import need_same_log
from headrace.streams.states import FileStates, KafkaStates, States
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

NAME = "metrics"
PANE_END_SLACK = 0.05
"""Seconds behind a pane's end for what was on its way."""
_TROUBLE = (KafkaError, OSError, Retryable, asyncio.TimeoutError)


@dataclass(frozen=True, slots=True)
class MetricsOptions:
    """How often panes are told and states saved."""

    tell_seconds: float = 1.0
    """Part of the time from an event to an alert."""
    save_seconds: float = 10.0
    """What a crash reads again, at most."""
    bounds: Bounds = field(default_factory=Bounds)


class MetricsProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        tuning: Tuning | None = None,
        options: MetricsOptions | None = None,
        prices: Prices | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings = settings
        self._options = options or MetricsOptions()
        self._prices = prices or load()
        self._clock = clock
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.waiting_for_sink = False
        self._topic = settings.topic(topics.EVENTS)
        self._partitions: dict[int, Partition] = {}
        self._shown: dict[int, Shown] = {}
        self._arrived: dict[int, float] = {}
        """When the last record of a partition was written, in seconds since 1970."""
        self._watermarks: dict[int, tuple[float, float]] = {}
        """What was last told of each partition, and when."""
        self._link: _Link | None = None
        self._told = asyncio.Event()
        self._save_at = 0.0
        metrics.register(PartitionsCollector(lambda: dict(self._shown)))
        cast("Any", self.app.transport).starts = self._starts
        source = self.app.topic(self._topic, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        self.app.task(self._keep_telling)

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        """Save what was counted, so that the next worker has little to read again."""
        try:
            await asyncio.wait_for(self._tell(save=True), 5)
        except _TROUBLE as error:
            log.warning("the last state was not saved: %r", error)
        if self._link is not None:
            await self._link.producer.stop()

    # ── where to begin ───────────────────────────────────────────────────────

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Load the states of the partitions that are new here; forget those that went."""
        mine = {tp.partition for tp in assigned if tp.topic == self._topic}
        for gone in self._partitions.keys() - mine:
            del self._partitions[gone]
            self._shown.pop(gone, None)
            self._arrived.pop(gone, None)
            self._watermarks.pop(gone, None)
        link = await self._linked()
        await need_same_log(link.producer, self._topic, link.incarnation)
        for partition in sorted(mine - self._partitions.keys()):
            self._partitions[partition] = await self._load(link, partition)
        return {TP(self._topic, p): self._partitions[p].offset for p in mine}

    async def _load(self, link: _Link, partition: int) -> Partition:
        bounds = self._options.bounds
        data = await link.states.load(partition)
        if data is None:
            return Partition(self._prices, bounds)
        state = Partition.from_data(data, self._prices, bounds)
        # Whoever had it may have died before these were told.
        await link.panes.write(state.tell_all(), data["log"], partition)
        if data["log"] != link.incarnation:
            state.begin_again()
        self._shown[partition] = Shown.of(state, self._clock())
        return state

    async def _linked(self) -> _Link:
        if self._link is None:
            self._link = await _Link.make(self._settings)
        return self._link

    # ── counting ─────────────────────────────────────────────────────────────

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            try:
                await self._take(cast("RecordBatch", event.value))
                event.ack()
            except Exception as error:  # a fault of ours: better no metrics than wrong ones
                fail(self.failed, error)
                raise
            yield

    async def _take(self, batch: RecordBatch) -> None:
        state = self._partitions.get(batch.partition)
        if state is None or batch.begins > state.offset:
            return  # a rebalance is under way: it comes again
        while state.closed_cells > self._options.bounds.cells:  # the telling is behind
            self._told.clear()
            await self._told.wait()
        state.take(batch.records)
        self._arrived[batch.partition] = batch.records[-1].timestamp / 1000

    # ── telling ──────────────────────────────────────────────────────────────

    async def _keep_telling(self) -> None:
        backoff = Backoff()
        while not self.app.should_stop:
            try:
                await asyncio.sleep(self._pause())
                now = asyncio.get_running_loop().time()
                save = now >= self._save_at
                if save and self._link is not None:
                    await need_same_log(self._link.producer, self._topic, self._link.incarnation)
                await self._tell(save=save)
                if save:
                    self._save_at = now + self._options.save_seconds
            except _TROUBLE as error:
                if not self.waiting_for_sink:
                    log.warning("panes could not be told, trying until they can: %r", error)
                self.waiting_for_sink = True
                await asyncio.sleep(backoff.wait())
            except Exception as error:
                fail(self.failed, error)
                raise
            else:
                self.waiting_for_sink = False
                backoff.reset()
            finally:
                self._told.set()

    def _pause(self) -> float:
        """Tell right behind the end of a pane: it is what alerts wait for."""
        left = PANE_SECONDS - self._clock() % PANE_SECONDS
        return min(self._options.tell_seconds, left + PANE_END_SLACK)

    async def _tell(self, *, save: bool) -> None:
        if self._link is None:
            return
        for partition, state in list(self._partitions.items()):
            await self._tell_one(self._link, partition, state, save=save)

    async def _tell_one(self, link: _Link, partition: int, state: Partition, *, save: bool) -> None:
        offset, watermark = state.offset, self._watermark(partition, state)
        told = state.tell()
        try:
            saved = _encoded(state, link) if save or link.forgets else None
            shown = Shown.of(state, self._clock(), watermark) if saved else None
            if saved and link.forgets:
                # What was told must never be ahead of what is saved, or it would be counted again.
                await link.states.save(partition, saved)
            await link.panes.write(told, link.incarnation, partition)
            if watermark is not None and self._is_news(partition, watermark):
                await link.panes.write_watermark(watermark, link.incarnation, partition, offset)
                self._watermarks[partition] = (watermark, self._clock())
            if saved and not link.forgets:
                await link.states.save(partition, saved)
        except BaseException:
            state.tell_again(told)
            raise
        if shown is not None:
            self._shown[partition] = shown

    def _is_news(self, partition: int, watermark: float) -> bool:
        """Whether another pane is whole; that it still counts is told once a pane as well."""
        before, told_at = self._watermarks.get(partition, (0.0, 0.0))
        another = watermark // PANE_SECONDS > before // PANE_SECONDS
        return another or self._clock() - told_at >= PANE_SECONDS

    def _watermark(self, partition: int, state: Partition) -> float | None:
        """Up to which event time a partition is read: now, where nothing is left to read."""
        read_up = is_read_up(self.app, TP(self._topic, partition), state.offset)
        if read_up is None:
            return None
        return self._clock() if read_up else self._arrived.get(partition)


def _encoded(state: Partition, link: _Link) -> bytes:
    return orjson.dumps(state.as_data() | {"log": link.incarnation})


class _Link:
    """The connections of one processor: panes go out, states come and go."""

    def __init__(
        self, producer: AIOKafkaProducer, panes: PanesLog, states: States, incarnation: str
    ) -> None:
        self.producer = producer
        self.panes = panes
        self.states = states
        self.incarnation = incarnation
        self.forgets = incarnation.startswith(LOCAL_CLUSTER)
        """Whether Kafka loses its topics at a restart, while files stay."""

    @classmethod
    async def make(cls, settings: Settings) -> _Link:
        kafka = settings.need_kafka()
        producer = await start_producer(settings, NAME)
        try:
            incarnation = await incarnation_of(producer, settings.topic(topics.EVENTS))
            panes = PanesLog(producer, settings.topic(topics.METRICS))
            states: States = KafkaStates(kafka, settings.topic(topics.METRICS_STATE), producer)
            if incarnation.startswith(LOCAL_CLUSTER):
                states = FileStates(settings.state_dir / f"{settings.topic_prefix}metrics", NAME)
        except BaseException:
            await producer.stop()
            raise
        return cls(producer, panes, states, incarnation)
