"""The processor ``seal``: evidence in, segments under signed checkpoints out.

    agent.audit -> its entries -> segments -> vault -> witnesses
                                                    -> ClickHouse, from the vault
                                                    -> topics of classes, from the vault

Where a worker begins is what the vault says; offsets are committed for the eyes of people and of
the watchdog alone. A vault that is away: what was read waits, the transport stops fetching when its
buffers are full, and the worker stays in its group.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from time import time
from typing import Any, Final, cast

from faust.types import TP, EventT, StreamT

from headrace.events.errors import Retryable
from headrace.events.settings import Settings
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.processor import fail
from headrace.streams.seal.asking import Asking
from headrace.streams.seal.audit_topic import AuditTopic
from headrace.streams.seal.class_topics import ClassTopics
from headrace.streams.seal.commit import Signing
from headrace.streams.seal.held import Held, LetGoError
from headrace.streams.seal.partition import Limits
from headrace.streams.seal.rows import Rows
from headrace.streams.seal.sealing import Sealing
from headrace.streams.seal.witness import Witness
from headrace.streams.seal.witnesses import Witnesses
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

NAME: Final = "seal"
LOOK_SECONDS: Final = 0.5
"""How often is looked for leaves that have waited for long enough."""
OPEN_SECONDS: Final = 25.0
"""For opening partitions: Faust waits 40 s at most, so a worker ends whose vault is away for longer
when it begins, and its supervisor starts it again."""
CLOSE_SECONDS: Final = 5.0
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of leaves that wait, in all partitions: half of what the transport buffers."""


class SealProcessor:
    """See :class:`headrace.streams.processor.Processor`."""

    name = NAME

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        vault: Vault,
        signing: Signing,
        *,
        rows: Rows,
        classes: ClassTopics | None = None,
        witnesses: Sequence[Witness] = (),
        tuning: Tuning | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._metrics = metrics
        self._rows = rows
        self._classes = classes
        self._witnesses = Witnesses(witnesses, metrics)
        self._asking = Asking(NAME, metrics)
        self._sealing = Sealing(
            vault,
            signing,
            self._asking,
            limits=limits or Limits(),
            rows=rows,
            classes=classes,
            witnesses=self._witnesses,
            metrics=metrics,
            clock=clock,
        )
        self._topic = AuditTopic(settings, NAME)
        self._held: dict[int, Held] = {}
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        cast("Any", self.app.transport).starts = self._starts
        source = self.app.topic(self._topic.name, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        for work in (self._seal_what_is_due, self._topic.mind, rows.run, self._witnesses.run):
            self._keep(work)
        if classes is not None:
            self._keep(classes.run)

    @property
    def waiting_for_sink(self) -> bool:
        return self.waits_for is not None

    @property
    def waits_for(self) -> str | None:
        """See :class:`headrace.streams.processor.Explaining`."""
        if self._asking.trouble is not None:
            return f"nothing is sealed: {self._asking.trouble}"
        if self._rows.trouble is not None:
            return f"what is sealed is not in ClickHouse yet: {self._rows.trouble}"
        if self._classes is not None and self._classes.trouble is not None:
            return f"what is sealed is not in its classes' topics yet: {self._classes.trouble}"
        return None

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        """Seal what waits: a Kafka that forgets has it no longer."""
        with contextlib.suppress(asyncio.TimeoutError, LetGoError):
            await asyncio.wait_for(self._seal_all(), CLOSE_SECONDS)
        await self._witnesses.close()
        await self._rows.close()
        if self._classes is not None:
            await self._classes.close()
        await self._topic.close()

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Open the partitions that are new here; forget those that went. Where each begins."""
        topic = self._topic.name
        mine = {tp.partition for tp in assigned if tp.topic == topic}
        for gone in self._held.keys() - mine:
            self._sealing.let_go(self._held.pop(gone))
        await self._topic.need_same()
        try:
            await asyncio.wait_for(self._open(mine - self._held.keys()), OPEN_SECONDS)
        except asyncio.TimeoutError:
            why = f": {self._asking.trouble}" if self._asking.trouble else ""
            raise Retryable(f"the vault has not answered for {OPEN_SECONDS:g} s{why}") from None
        for held in self._held.values():
            held.forget_batches()
        return {TP(topic, number): self._held[number].partition.offset for number in mine}

    async def _open(self, numbers: set[int]) -> None:
        for number in sorted(numbers):
            self._held[number] = await self._sealing.open(number, self._topic.incarnation)

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            try:
                with contextlib.suppress(LetGoError):
                    await self._take(event)
                if sum(held.partition.size for held in self._held.values()) > MOST_BYTES:
                    await self._seal_all()
            except Exception as error:  # nothing is signed that is not understood
                fail(self.failed, error)
                raise
            yield

    async def _take(self, event: EventT[Any]) -> None:
        batch = cast("RecordBatch", event.value)
        held = self._held.get(batch.partition)
        if held is None or batch.begins > held.partition.offset:
            return  # a rebalance is under way: it comes again
        async with held.lock:
            now = asyncio.get_running_loop().time
            for record in batch.records:
                if held.partition.take(record, now()):
                    await self._sealing.seal(held)
            held.took(event, batch.last_offset)
            self._acknowledge(held)

    def _acknowledge(self, held: Held) -> None:
        held.acknowledge()
        self._metrics.seal_waiting.labels(str(held.number)).set(held.partition.waiting_leaves)

    async def _seal_what_is_due(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = asyncio.get_running_loop().time()
            for held in list(self._held.values()):
                if held.partition.is_due(now):
                    await self._seal_one(held)

    async def _seal_all(self) -> None:
        for held in list(self._held.values()):
            await self._seal_one(held)

    async def _seal_one(self, held: Held) -> None:
        with contextlib.suppress(LetGoError):
            async with held.lock:
                await self._sealing.seal(held)
                self._acknowledge(held)

    def _keep(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run beside the stream, for as long as the app does; its error ends the worker."""

        async def working() -> None:
            try:
                await work()
            except Exception as error:
                fail(self.failed, error)
                raise

        self.app.task(working)
