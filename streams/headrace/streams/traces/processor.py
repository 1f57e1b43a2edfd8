"""The processor ``traces``: events in, spans out.

    fetches of each partition -> its state -> spans that ended: to agent.spans, then acknowledged
                                           -> now and then: what fell silent is closed,
                                              and the state saved, to go on from

Where a worker begins is what the saved state says. What had been read past it is read again, and
makes the same spans: those that stand in agent.spans behind the state are not written again. Two
workers that both think they have a partition may each write a span: with the same id, and the same
bytes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import time
from typing import Any, Final, cast

from faust.types import TP, EventT, StreamT

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.erasure.orders import Orders
from headrace.streams.follower import Follower
from headrace.streams.processor import fail
from headrace.streams.read_up import is_read_up
from headrace.streams.traces.link import NAME, Link
from headrace.streams.traces.made import Made
from headrace.streams.traces.partition import Bounds, Partition
from headrace.streams.traces.writer import TROUBLE, Mine, Writer
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

__all__ = ["NAME", "TracesOptions", "TracesProcessor"]

log = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 5.0
"""For what is being written, and for the last save. Whoever takes over waits for it."""


@dataclass(frozen=True, slots=True)
class TracesOptions:
    """How often states are saved, and how much is held."""

    save_seconds: float = 10.0
    """What a crash reads again, at most."""
    bounds: Bounds = field(default_factory=Bounds)


class TracesProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        *,
        tuning: Tuning | None = None,
        options: TracesOptions | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._options = options or TracesOptions()
        self._clock = clock
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._topic = settings.topic(topics.EVENTS)
        self._mine: dict[int, Mine] = {}
        self._link: Link | None = None
        self._working = asyncio.Lock()
        self._writing: asyncio.Task[None] | None = None
        """Of one batch, while the next one is read."""
        self._orders = Orders(settings.topic(topics.ERASURES))
        self._writer = Writer(metrics, self._orders)
        self._follower = Follower(
            settings.need_kafka(), settings.topic(topics.ERASURES), self._orders.take
        )
        self._lost = -1
        """The assignment that is over: a seek that comes late must not bring its states back."""
        cast("Any", self.app.transport).starts = self._starts
        self.app.on_partitions_revoked.connect(self._revoked)
        self.app.on_before_shutdown.connect(self._revoked)
        source = self.app.topic(self._topic, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        self.app.task(self._keep_saving)

    @property
    def waiting_for_sink(self) -> bool:
        return self._writer.waiting

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        await self._let_go()
        await self._follower.close()
        if self._link is not None:
            await self._link.close()

    # ── where to begin ───────────────────────────────────────────────────────

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Load the states of the partitions that are new here."""
        consumer: Any = self.app.consumer
        if consumer.assignments == self._lost:
            return {}
        numbers = {tp.partition for tp in assigned if tp.topic == self._topic}
        if self._link is None:
            self._link = await Link.make(self._settings)
        await self._link.need_same_logs()
        async with self._working:
            for number in sorted(numbers - self._mine.keys()):
                self._mine[number] = await self._load(self._link, number)
            return {TP(self._topic, n): self._mine[n].state.offset for n in numbers}

    async def _load(self, link: Link, number: int) -> Mine:
        data, same, begin = await link.load(number)
        bounds, captured = self._options.bounds, self._settings.trace_content
        state = Partition(bounds, captured=captured)
        if data is not None:
            state = Partition.from_data(data, bounds, captured=captured)
        if not same:
            state.begin_again()
        return Mine(state, await link.read(number, begin, state.recall))

    async def _revoked(self, *_: Any, **__: Any) -> None:
        self._lost = cast("Any", self.app.consumer).assignments
        await self._let_go()

    async def _let_go(self) -> None:
        """Finish what is being written and save, within a bound; whoever is next goes on there."""
        try:
            await asyncio.wait_for(self._finish(), CLOSE_SECONDS)
        except TROUBLE as error:
            log.warning("the last state was not saved: %r", error)
        finally:
            if self._writing is not None:
                self._writing.cancel()
                self._writing = None
            for number in self._mine:
                self._metrics.traces_open.remove(str(number))
            self._mine = {}

    async def _finish(self) -> None:
        if self._link is not None and not self.failed.done():
            async with self._working:
                await self._settled()
                for number, mine in self._mine.items():
                    await self._save(self._link, number, mine)

    # ── from batch to batch ──────────────────────────────────────────────────

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        try:
            await self._follower.start()
        except Exception as error:
            fail(self.failed, error)
            raise
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            try:
                async with self._working:
                    await self._take(event)
            except Exception as error:  # a fault of ours: better no traces than wrong ones
                fail(self.failed, error)
                raise
            yield

    async def _take(self, event: EventT[Any]) -> None:
        batch = cast("RecordBatch", event.value)
        mine = self._mine.get(batch.partition)
        if mine is None or batch.begins > mine.state.offset:
            return  # a rebalance is under way: it comes again
        self._follower.check()
        made = mine.state.take(batch.records, self._clock())
        await self._settled()
        if self._mine.get(batch.partition) is not mine:
            return  # it was taken away meanwhile
        self._count(mine.state)
        self._writing = asyncio.create_task(self._deliver(batch.partition, mine, made, event))

    async def _settled(self) -> None:
        """Wait until everything that was made is written."""
        writing = self._writing
        if writing is not None:
            await asyncio.wait([writing])
            if self._writing is writing:
                self._writing = None
            if not writing.cancelled():
                writing.result()

    async def _deliver(
        self, number: int, mine: Mine, made: list[Made], event: EventT[Any] | None
    ) -> None:
        try:
            if made and self._link is not None:
                await self._writer.write(self._link, number, mine, made)
        except Exception as error:
            fail(self.failed, error)
            raise
        if event is not None:
            event.ack()

    def _count(self, state: Partition) -> None:
        met, metrics = state.take_counts(), self._metrics
        metrics.traces_duplicates.inc(met.duplicates)
        metrics.traces_redone.inc(met.redone)
        metrics.traces_ignored.labels("unreadable").inc(met.unreadable)
        metrics.traces_ignored.labels("no_turn").inc(met.ignored)
        metrics.traces_forgotten.inc(met.forgotten)

    # ── silence, and saving ──────────────────────────────────────────────────

    async def _keep_saving(self) -> None:
        while not self.app.should_stop:
            await asyncio.sleep(self._options.save_seconds)
            try:
                await self._save_all()
            except TROUBLE as error:
                log.warning("a state could not be saved, trying again: %r", error)
            except Exception as error:
                fail(self.failed, error)
                raise

    async def _save_all(self) -> None:
        if self._link is None:
            return
        await self._link.need_same_logs()
        for number, mine in list(self._mine.items()):
            async with self._working:
                await self._settled()
                if self._mine.get(number) is not mine:
                    return
                if is_read_up(self.app, TP(self._topic, number), mine.state.offset):
                    made = mine.state.tick(self._clock())
                    await self._deliver(number, mine, made, None)
                self._count(mine.state)
                self._metrics.traces_open.labels(str(number)).set(mine.state.turns)
                await self._save(self._link, number, mine)

    async def _save(self, link: Link, number: int, mine: Mine) -> None:
        if self._orders:  # a state names who it is about
            erased = mine.state.erase(self._writer.covered)
            self._metrics.traces_erased.inc(erased)
            mine.saved = None if erased else mine.saved
        now = (mine.state.offset, mine.end)
        if now != mine.saved and not mine.state.recalling:
            await link.save(number, mine.state.as_data(), mine.end)
            mine.saved = now
