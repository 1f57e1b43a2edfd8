"""One worker's time with one partition: from its assignment to its loss.

    state, claim, what was written since -> redo -> batch by batch: judged, sealed, written
                                                 -> now and then: read again, and the state saved

Whatever goes wrong between, the partition is let go and begun once more. A state is saved once
agent.audit was read up to where it stands: a worker that was away too long, and that another has
overtaken, finds there that what it wrote is void, and saves nothing that would leave it out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final, cast

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust.types import EventT

from headrace.events.errors import HeadraceError, Retryable
from headrace.sinks.audit.keys import DataKeys
from headrace.streams.audit.fold import ForkError
from headrace.streams.audit.found import Change, Found, Sealing, sealings
from headrace.streams.audit.link import Link
from headrace.streams.audit.partition import Bounds, Partition
from headrace.streams.audit.policy import POLICY_CLASS, Policy
from headrace.streams.backoff import Backoff
from headrace.streams.transport import RecordBatch
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

TROUBLE: Final = (KafkaError, OSError, Retryable, asyncio.TimeoutError)
TOO_SMALL: Final = "agent.audit takes no record of that size: run `headrace topics apply`"
SAVE_SECONDS: Final = 10.0
"""What a crash makes again, at most."""
OVERTAKEN_SECONDS: Final = 5.0
"""For the rebalance that takes the partition away; where none comes, it is claimed again."""
CLOSE_SECONDS: Final = 5.0
"""For the batch that is under way, and for the last save. Whoever takes over waits for it."""


class OvertakenError(HeadraceError):
    """Another worker has claimed the partition."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all partitions of a worker share."""

    link: Callable[[], Awaitable[Link]]
    """Connects where there is no link yet."""
    keys: DataKeys
    policy: Policy
    bounds: Bounds
    metrics: Metrics
    clock: Callable[[], float]
    save_seconds: float = SAVE_SECONDS


class Duty:
    """For one loop."""

    def __init__(self, partition: int, tools: Tools, rewind: Callable[[int], None]) -> None:
        """``rewind``: has the partition read from an offset on."""
        self._partition = partition
        self._tools = tools
        self._rewind = rewind
        self._queue: deque[EventT[Any]] = deque()
        self._news = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._state: Partition | None = None
        self._writer = b""
        self._end = 0
        """Behind the last entry of ours in agent.audit."""
        self._void = 0
        self._saved = -1
        """The offset that was saved last."""
        self._save_at = 0.0
        self._backoff = Backoff()
        self.in_trouble = False

    @property
    def offset(self) -> int | None:
        """The next record to be read, None while that is not known."""
        return self._state.offset if self._state is not None else None

    def start(self, failed: Callable[[Exception], None]) -> None:
        """Begin; ``failed`` hears of what no further try can mend."""
        self._task = asyncio.create_task(self._run(failed))

    def take(self, event: EventT[Any]) -> None:
        """Queue a batch. It is acknowledged once its evidence is written."""
        # Else a rebalance or a rewinding is under way: it comes again.
        if self._state is not None:
            self._queue.append(event)
            self._news.set()

    async def close(self) -> None:
        """Finish the batch under way and save the state, within a bound."""
        self._stopping = True
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self, failed: Callable[[Exception], None]) -> None:
        try:
            while not self._stopping:
                await self._try()
        except Exception as error:  # a fault of ours, or of what is there: evidence must not go on
            failed(error)

    async def _try(self) -> None:
        link: Link | None = None
        try:
            link = await self._tools.link()
            self._state = await self._begin(link)
            self._rewind(self._state.offset)
            await self._work(link, self._state)
        except MessageSizeTooLargeError:
            await self._let_go(TOO_SMALL, self._backoff.wait())
        except TROUBLE as error:
            await self._let_go(repr(error), self._backoff.wait())
        except (ForkError, OvertakenError) as error:
            if self._state is None:
                raise
            await self._let_go(str(error), OVERTAKEN_SECONDS)

    async def _let_go(self, why: str, seconds: float) -> None:
        self._state = None
        self._queue.clear()
        self._trouble(why)
        await self._pause(seconds)

    def _trouble(self, why: str) -> None:
        if not self.in_trouble:
            log.warning("evidence of partition %d waits: %s", self._partition, why)
        self.in_trouble = True

    async def _pause(self, seconds: float) -> None:
        """Wait, though no longer than until there is news or it is over."""
        self._news.clear()
        if not self._stopping:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), seconds)

    # ── where to begin ───────────────────────────────────────────────────────

    async def _begin(self, link: Link) -> Partition:
        await link.need_same_logs()
        state = await self._load(link)
        self._void, self._saved = state.fold.void, -1
        self._writer, at = await link.claim(self._partition)
        if at < state.fold.offset:
            raise HeadraceError(
                f"agent.audit has lost records of partition {self._partition}: it ends at offset "
                f"{at}, and was read up to {state.fold.offset}; `headrace audit verify` says what "
                "the vault has"
            )
        self._end = at + 1
        await link.read(self._partition, state.fold.offset, self._end, state.recall)
        self._count_void(state)
        self._save_at = monotonic() + self._tools.save_seconds
        return state

    async def _load(self, link: Link) -> Partition:
        tools, name = self._tools, link.logs.log(self._partition)
        data = await link.load(self._partition)
        if data is None:
            return Partition(name, tools.policy, tools.bounds)
        if data["source"] != link.logs.source:
            return Partition.after(data, name, tools.policy, tools.bounds)
        state = Partition.from_data(data, name, tools.policy, tools.bounds)
        gone = await link.first_offset(self._partition) - state.offset
        if gone > 0:
            log.warning("%d records of partition %d were never judged", gone, self._partition)
            tools.metrics.audit_missed.inc(gone)
        return state

    # ── from batch to batch ──────────────────────────────────────────────────

    async def _work(self, link: Link, state: Partition) -> None:
        while not self._stopping:
            if self._queue:
                await self._split(link, state, self._queue.popleft())
            if monotonic() >= self._save_at:
                await self._save(link, state)
            if not self._queue:
                await self._pause(self._save_at - monotonic())
        await self._save(link, state)

    async def _split(self, link: Link, state: Partition, event: EventT[Any]) -> None:
        batch = cast("RecordBatch", event.value)
        if batch.begins > state.offset:
            return  # one before it was lost on the way: it comes again
        made = state.judge(batch.records, self._tools.clock())
        entries = state.leaves(made, await self._sealings(made))
        if entries:
            self._end = await link.write(self._partition, self._writer, entries)
        self._count(state, made)
        event.ack()
        self.in_trouble = False
        self._backoff.reset()
        # Batches without evidence wait for nothing: others must have their turn.
        await asyncio.sleep(0)

    async def _sealings(self, made: list[Found | Change]) -> list[Sealing]:
        found = [one for one in made if isinstance(one, Found)]
        while found:
            try:
                return await asyncio.to_thread(sealings, self._tools.keys, found)
            except (Retryable, OSError) as error:
                self._trouble(f"its keys are away: {error!r}")
                await asyncio.sleep(self._backoff.wait())
        return []

    async def _save(self, link: Link, state: Partition) -> None:
        """Save the state, once everything that it says was found in agent.audit."""
        self._save_at = monotonic() + self._tools.save_seconds
        await link.need_same_logs()
        self.in_trouble = False
        if state.recalling or state.offset == self._saved:
            return
        if not state.confirmed:
            await link.read(self._partition, state.fold.offset, self._end, state.fold.take)
            self._count_void(state)
        if not state.confirmed:
            raise OvertakenError("another worker has claimed it")
        await link.save(self._partition, state.as_data())
        self._saved = state.offset

    # ── what is counted ──────────────────────────────────────────────────────

    def _count(self, state: Partition, made: list[Found | Change]) -> None:
        metrics, met = self._tools.metrics, state.take_counts()
        metrics.audit_duplicates.inc(met.duplicates)
        metrics.audit_unreadable.inc(met.unreadable)
        metrics.audit_redone.inc(met.redone)
        metrics.audit_forgotten.inc(met.forgotten)
        metrics.audit_rejected.labels("too_large").inc(met.too_large)
        for name, count in Counter(map(_class_of, made)).items():
            if name is not None:
                metrics.audit_entries.labels(name).inc(count)

    def _count_void(self, state: Partition) -> None:
        self._tools.metrics.audit_void.inc(state.fold.void - self._void)
        self._void = state.fold.void


def _class_of(one: Found | Change) -> str | None:
    """Name the class of an entry that was written just now."""
    if isinstance(one, Change):
        return POLICY_CLASS
    return one.audit_class if one.written is None else None
