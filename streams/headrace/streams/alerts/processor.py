"""The processor ``alerts``: panes in, transitions of alerts out.

    fetches of each partition of agent.metrics -> its panes and watermarks
    a watermark moved, or late panes came      -> its rules are judged
                                               -> agent.alerts.log, agent.alerts, how far

A tenant's panes are all in one partition, so partitions share nothing: a rebalance drops or makes
whole engines. Offsets are committed for the eyes of people and of the watchdog alone: a worker
begins as far back as its rules look.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from time import time
from typing import Any, Final, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP, StreamT

from headrace.events import topics
from headrace.events.errors import Retryable
from headrace.events.settings import Settings
from headrace.streams.alerts.alerts_log import AlertsLog
from headrace.streams.alerts.engine import MAX_CATCH_UP
from headrace.streams.alerts.exposition import AlertsCollector
from headrace.streams.alerts.measures import Absent
from headrace.streams.alerts.model import Rule, RuleSet
from headrace.streams.alerts.partition import AlertsPartition, Judged, Verdicts
from headrace.streams.alerts.span import spans
from headrace.streams.alerts.windows import MAX_CELLS
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.backoff import Backoff
from headrace.streams.processor import fail
from headrace.streams.producer import start_producer
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

NAME: Final = "alerts"
LOOK_SECONDS: Final = 0.2
"""Judging waits no longer for news: a silent source partition is given up by the clock."""
SLACK_SECONDS: Final = 3600
"""Read beyond what rules look back: panes of agents whose clocks are ahead were told too early."""
_TROUBLE = (KafkaError, OSError, Retryable, asyncio.TimeoutError)


class AlertsProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        rules: RuleSet,
        *,
        tuning: Tuning | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._rules = rules
        self._clock = clock
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self.waiting_for_sink = False
        self._topic = settings.topic(topics.METRICS)
        self._partitions: dict[int, AlertsPartition] = {}
        self._producer: AIOKafkaProducer | None = None
        self._news = asyncio.Event()
        metrics.register(AlertsCollector(lambda: list(self._partitions.values())))
        cast("Any", self.app.transport).starts = self._starts
        source = self.app.topic(self._topic, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        self.app.task(self._keep_judging)

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()

    # ── where to begin ───────────────────────────────────────────────────────

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Make the partitions that are new here; forget those that went, or that others judged."""
        mine = {tp.partition for tp in assigned if tp.topic == self._topic}
        alerts = await self._log()
        judged = await alerts.judged()
        self._partitions = {
            number: partition
            for number, partition in self._partitions.items()
            if number in mine and partition.written == judged.get(number, Judged())
        }
        new = mine - self._partitions.keys()
        if new:
            self._partitions |= await self._made(new, judged)
        return {TP(self._topic, n): one.offset for n, one in self._partitions.items()}

    async def _made(
        self, numbers: set[int], judged: dict[int, Judged]
    ) -> dict[int, AlertsPartition]:
        alerts, producer = await self._log(), await self._linked()
        transitions = await alerts.transitions()
        count = len(await producer.partitions_for(self._topic))
        since = {n: self._since(judged.get(n, Judged())) for n in numbers}
        made = {}
        for n, span in (await spans(self._settings.need_kafka(), self._topic, since)).items():
            made[n] = one = AlertsPartition(
                n,
                self._rules,
                self._clock,
                start=span.start,
                end=span.end,
                # However they are spread, all of them together take no more than one may.
                max_cells=MAX_CELLS // count,
            )
            one.restore(transitions.get(n, ()), judged.get(n, Judged()))
        return made

    def _since(self, judged: Judged) -> float:
        """From which time on panes are read: what the first judgement to come looks back on."""
        now = self._clock()
        first = min(now, max(judged.end, now - MAX_CATCH_UP)) if judged.end else now
        return first - max(map(_memory, self._rules.rules), default=0) - SLACK_SECONDS

    async def _log(self) -> AlertsLog:
        return AlertsLog(self._settings, await self._linked())

    async def _linked(self) -> AIOKafkaProducer:
        if self._producer is None:
            self._producer = await start_producer(self._settings, NAME)
        return self._producer

    # ── reading ──────────────────────────────────────────────────────────────

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            try:
                await self._take(cast("RecordBatch", event.value))
                event.ack()
            except Exception as error:  # a fault of ours: better no alerts than wrong ones
                fail(self.failed, error)
                raise
            yield

    async def _take(self, batch: RecordBatch) -> None:
        partition = self._partitions.get(batch.partition)
        if partition is None or batch.begins > partition.offset:
            return  # a rebalance is under way: it comes again
        late, unreadable = partition.engine.late, partition.unreadable
        async with partition.lock:
            partition.take(batch.records)
        self._metrics.alerts_late.inc(partition.engine.late - late)
        self._metrics.alerts_unreadable.inc(partition.unreadable - unreadable)
        self._news.set()

    # ── judging ──────────────────────────────────────────────────────────────

    async def _keep_judging(self) -> None:
        backoff = Backoff()
        while not self.app.should_stop:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_SECONDS)
            self._news.clear()
            try:
                for partition in list(self._partitions.values()):
                    await self._judge(partition)
            except _TROUBLE as error:
                if not self.waiting_for_sink:
                    log.warning("alerts could not be written, trying until they can: %r", error)
                self.waiting_for_sink = True
                await asyncio.sleep(backoff.wait())
            except Exception as error:
                fail(self.failed, error)
                raise
            else:
                self.waiting_for_sink = False
                backoff.reset()

    async def _judge(self, partition: AlertsPartition) -> None:
        if not self._has(partition) or not partition.due:
            return
        async with partition.lock:
            # Off the loop: many tenants take seconds, and the group must hear of this worker.
            verdicts = await asyncio.to_thread(partition.judge)
        # Whoever has it now judges it again.
        if self._has(partition):
            await (await self._log()).write(verdicts)
            partition.has_written(verdicts)
            self._count(verdicts)
        if partition.due:
            self._news.set()

    def _has(self, partition: AlertsPartition) -> bool:
        mine = self._partitions.get(partition.number) is partition
        return mine and not self.app.rebalancing

    def _count(self, verdicts: Verdicts) -> None:
        for change in verdicts.changes:
            if change.logged:
                one = change.transition
                self._metrics.alerts_transitions.labels(one.rule, one.state).inc()


def _memory(rule: Rule) -> int:
    """How many seconds of panes before a judgement a rule asks for."""
    return rule.measure.known if isinstance(rule.measure, Absent) else rule.memory
