"""The processor ``seal``: evidence in, segments under signed checkpoints out.

    agent.audit -> its entries -> segments -> vault -> witnesses
                                                    -> ClickHouse, from the vault

Where a worker begins is what the vault says; offsets are committed for the eyes of people and of
the watchdog alone. A vault that is away: what was read waits, the transport stops fetching when its
buffers are full, and the worker stays in its group.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import time
from typing import Any, Final, TypeVar, cast

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from faust.types import TP, EventT, StreamT

from headrace.events import topics
from headrace.events.errors import Retryable
from headrace.events.settings import Settings
from headrace.producers.kafka_log import incarnation_of
from headrace.sinks.audit.vault.place import TakenError
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.app import BatchSchema, make_app
from headrace.streams.backoff import Backoff
from headrace.streams.producer import start_producer
from headrace.streams.same_log import need_same_log
from headrace.streams.seal.commit import Signing, commit
from headrace.streams.seal.partition import Limits, Partition
from headrace.streams.seal.rows import Rows
from headrace.streams.seal.sealed_log import StoredError
from headrace.streams.seal.witness import Witness
from headrace.streams.seal.witnesses import Witnesses
from headrace.streams.transport import RecordBatch
from headrace.streams.tuning import Tuning
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

NAME: Final = "seal"
LOOK_SECONDS: Final = 0.5
"""How often is looked for leaves that have waited for long enough."""
SAME_SECONDS: Final = 10.0
"""How often is asked whether agent.audit is still the topic that it was."""
OPEN_SECONDS: Final = 25.0
"""For opening partitions: Faust waits 40 s at most, so a worker ends whose vault is away for longer
when it begins, and its supervisor starts it again."""
CLOSE_SECONDS: Final = 5.0
MOST_BYTES: Final = 32 * 1024 * 1024
"""Of leaves that wait, in all partitions: half of what the transport buffers."""

_T = TypeVar("_T")


@dataclass(slots=True)
class _Held:
    """A partition that is ours."""

    number: int
    partition: Partition
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Taking and sealing are one at a time."""
    events: deque[tuple[EventT[Any], int]] = field(default_factory=deque)
    """Batches that are not acknowledged yet, with their last offsets."""


class _LetGoError(Exception):
    """The partition went to another worker meanwhile."""


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
        witnesses: Sequence[Witness] = (),
        tuning: Tuning | None = None,
        limits: Limits | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._vault = vault
        self._signing = signing
        self._rows = rows
        self._witnesses = Witnesses(witnesses, metrics)
        self._limits = limits or Limits()
        self._clock = clock
        self.app = make_app(settings, NAME, tuning or Tuning())
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._vault_away = False
        self._topic = settings.topic(topics.AUDIT)
        self._held: dict[int, _Held] = {}
        self._producer: AIOKafkaProducer | None = None
        self._incarnation = ""
        cast("Any", self.app.transport).starts = self._starts
        source = self.app.topic(self._topic, schema=BatchSchema())
        self.app.agent(source, name=f"headrace.{NAME}", concurrency=1)(self._collect)
        for work in (self._seal_what_is_due, self._mind_the_topic, rows.run, self._witnesses.run):
            self._keep(work)

    @property
    def waiting_for_sink(self) -> bool:
        return self._vault_away or self._rows.waiting

    async def sink_healthy(self) -> bool:
        return not self.waiting_for_sink

    async def close(self) -> None:
        """Seal what waits: a Kafka that forgets has it no longer."""
        with contextlib.suppress(asyncio.TimeoutError, _LetGoError):
            await asyncio.wait_for(self._seal_all(), CLOSE_SECONDS)
        await self._witnesses.close()
        await self._rows.close()
        if self._producer is not None:
            await self._producer.stop()

    # ── where to begin ───────────────────────────────────────────────────────

    async def _starts(self, assigned: set[TP]) -> dict[TP, int]:
        """Open the partitions that are new here; forget those that went."""
        mine = {tp.partition for tp in assigned if tp.topic == self._topic}
        for gone in self._held.keys() - mine:
            self._let_go(gone)
        await self._need_same_topic()
        try:
            await asyncio.wait_for(self._open(mine - self._held.keys()), OPEN_SECONDS)
        except asyncio.TimeoutError:
            raise Retryable(f"the vault has not answered for {OPEN_SECONDS:g} s") from None
        for held in self._held.values():
            held.events.clear()  # what is read again is acknowledged then
        return {TP(self._topic, number): self._held[number].partition.offset for number in mine}

    async def _need_same_topic(self) -> None:
        if self._producer is None:
            producer = await start_producer(self._settings, NAME)
            self._producer, self._incarnation = (
                producer,
                await incarnation_of(producer, self._topic),
            )
        await need_same_log(self._producer, self._topic, self._incarnation)

    async def _open(self, numbers: set[int]) -> None:
        for number in sorted(numbers):
            partition = await self._try(partial(self._opened, number))
            held = self._held[number] = _Held(number, partition)
            for seal in partition.last_seals():
                # Whoever sealed it may have died before it told anybody.
                self._tell(held, seal)

    def _opened(self, number: int) -> Partition:
        keys = self._signing.public
        for key in keys:
            self._vault.keep_key(key)
        return Partition.open(self._vault, keys, self._incarnation, number, self._limits)

    def _let_go(self, number: int) -> None:
        held = self._held.pop(number)
        self._rows.forget([seal.log for seal in held.partition.last_seals()])
        for gauge in (
            self._metrics.seal_size,
            self._metrics.seal_signed,
            self._metrics.seal_waiting,
        ):
            with contextlib.suppress(KeyError):
                gauge.remove(str(number))

    # ── reading ──────────────────────────────────────────────────────────────

    async def _collect(self, stream: StreamT[Any]) -> AsyncIterator[None]:
        # Acknowledging is ours: Faust would acknowledge what this body fails on.
        async for event in cast("Any", stream).noack().events():
            try:
                with contextlib.suppress(_LetGoError):
                    await self._take(event)
                if sum(held.partition.size for held in self._held.values()) > MOST_BYTES:
                    await self._seal_all()
            except Exception as error:  # nothing is signed that is not understood
                self._fail(error)
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
                    await self._seal(held)
            held.events.append((event, batch.last_offset))
            self._acknowledge(held)

    def _acknowledge(self, held: _Held) -> None:
        """Acknowledge what is done with: so a partition's lag is what is not sealed."""
        while held.events and held.events[0][1] < held.partition.waits_from:
            held.events.popleft()[0].ack()
        self._metrics.seal_waiting.labels(str(held.number)).set(held.partition.waiting_leaves)

    # ── sealing ──────────────────────────────────────────────────────────────

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

    async def _seal_one(self, held: _Held) -> None:
        with contextlib.suppress(_LetGoError):
            async with held.lock:
                await self._seal(held)
                self._acknowledge(held)

    async def _seal(self, held: _Held) -> None:
        """Seal all that waits. Raises :class:`_LetGoError` where the partition went."""
        partition, loop = held.partition, asyncio.get_running_loop()
        while partition.waiting:
            draft, last = partition.draft(self._clock()), partition.last
            try:
                ask = partial(commit, self._vault, self._signing, draft, last)
                seal = await self._try(ask, held)
            except TakenError:
                self._metrics.seal_fenced.inc()
                found = await self._try(partial(self._behind, draft.seal), held)
                partition.follow(found, self._signing.public, loop.time())
                self._tell(held, found[-1][0])
            else:
                partition.sealed(seal, loop.time())
                self._metrics.seal_leaves.labels(str(held.number)).inc(seal.count)
                self._metrics.seal_segments.labels(str(held.number)).inc()
                self._tell(held, seal)

    def _behind(self, ours: Seal) -> list[tuple[Seal, list[bytes]]]:
        """Read what another sealed in place of ours."""
        seals = list(self._vault.seals(ours.log, first=ours.first))
        if not seals:
            raise StoredError(f"{ours.name} is taken, and yet it is not there: look at the vault")
        return [(seal, self._vault.hashes(seal)) for seal in seals]

    def _tell(self, held: _Held, seal: Seal) -> None:
        self._witnesses.tell(seal)
        self._rows.tell(seal.log)
        self._metrics.seal_size.labels(str(held.number)).set(seal.end)
        self._metrics.seal_signed.labels(str(held.number)).set(seal.sealed_at)

    async def _try(self, ask: Callable[[], _T], held: _Held | None = None) -> _T:
        """Ask the vault, on a thread, until it answers."""
        backoff = Backoff()
        while True:
            if held is not None and self._held.get(held.number) is not held:
                raise _LetGoError
            try:
                answer = await asyncio.to_thread(ask)
            except Retryable as error:
                if not self._vault_away:
                    log.warning("nothing can be sealed, trying until it can: %s", error)
                self._set_away(True)
                await asyncio.sleep(backoff.wait())
            else:
                if self._vault_away:
                    log.warning("the vault takes evidence again")
                self._set_away(False)
                return answer

    def _set_away(self, away: bool) -> None:
        self._vault_away = away
        self._metrics.sink_up.labels(NAME).set(not away)

    # ── keeping at it ────────────────────────────────────────────────────────

    async def _mind_the_topic(self) -> None:
        while True:
            await asyncio.sleep(SAME_SECONDS)
            if self._producer is not None:
                with contextlib.suppress(KafkaError, OSError, asyncio.TimeoutError):
                    await self._need_same_topic()

    def _keep(self, work: Callable[[], Any]) -> None:
        async def working() -> None:
            try:
                await work()
            except Exception as error:
                self._fail(error)
                raise

        self.app.task(working)

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_result(error)
