"""The coalescing transport: Faust agents read whole fetches.

Faust spends about 100 us on every message. Here its consumer yields one message per partition and
fetch, whose value is the batch of records, and the same agents run twenty times faster.

What is committed: for each partition the transport keeps the batches that it handed out, oldest
first; the offset to commit is the end of the acknowledged run at the front. Offsets that hold no
record (aborted transactions, control records, compacted gaps) need no thought: a commit names the
position after a batch. A batch that Faust dropped on the way to the agent (at a rebalance) stays in
front and holds the commit back until Faust seeks, which it does at the end of every rebalance and
which forgets the row of batches.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import aiokafka
import faust
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage, Message

from headrace.events.settings import KafkaSettings
from headrace.streams.tuning import Tuning

__all__ = ["CoalescingConsumer", "CoalescingTransport", "RecordBatch"]

RECORD_BYTES = 100
"""Counted for each buffered record beside its value: tombstones and crumbs take memory too."""

STALLED_POLL_SECONDS = 0.25
"""How often a consumer whose buffers are full looks again and says that it is alive."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordBatch:
    """What one fetch brought of one partition, in offset order, never empty."""

    topic: str
    partition: int
    records: list[Any]
    """aiokafka's records, with offset, timestamp (ms), key, value and headers."""
    size: int
    """Bytes of the values."""
    begins: int = 0
    """The offset that follows what was handed out before it, or that was sought. Where it is past
    what its reader has, a batch in between was lost on the way, and will come again."""

    @property
    def held(self) -> int:
        """What it counts for among the buffers."""
        return self.size + RECORD_BYTES * len(self.records)

    @property
    def last_offset(self) -> int:
        offset: int = self.records[-1].offset
        return offset


def batch_of(message: Message) -> RecordBatch:
    """Return what a message of this transport carries."""
    return cast("RecordBatch", message.value)


class _LightRecords(OrderedDict[Any, Any]):
    """What aiokafka's fetcher has fetched, told not to wrap every record in a dataclass.

    The wrapping is half of what reading costs, and adds topic and partition, which a batch knows.
    """

    def __setitem__(self, tp: Any, result: Any) -> None:
        records = getattr(result, "_partition_records", None)
        if records is not None:
            records._consumer_record = _as_it_is  # noqa: SLF001 - there is no public way
        super().__setitem__(tp, result)


def _as_it_is(_tp: Any, record: Any) -> Any:
    return record


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread, with an aiokafka consumer that is set up by us."""

    consumer: CoalescingConsumer  # pyright: ignore[reportIncompatibleVariableOverride]

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        tuning: Tuning = transport.tuning
        # Read by Faust when a table recovers.
        self._assignor = RoundRobinPartitionAssignor
        return _LightConsumer(
            **transport.kafka.client_kwargs(),
            client_id=self.app.conf.broker_client_id,
            group_id=self.app.conf.id,
            partition_assignment_strategy=[RoundRobinPartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # An aborted transaction's events were never accepted.
            isolation_level="read_committed",
            max_poll_records=None,
            max_partition_fetch_bytes=tuning.max_fetch_bytes,
            # While a fetch of idle partitions waits at the broker, a busy partition of the same
            # broker waits too: this bounds its delay.
            fetch_max_wait_ms=tuning.fetch_max_wait_ms,
            request_timeout_ms=tuning.request_timeout_ms,
            session_timeout_ms=tuning.session_timeout_ms,
            heartbeat_interval_ms=tuning.heartbeat_interval_ms,
            max_poll_interval_ms=tuning.max_poll_interval_ms,
            rebalance_timeout_ms=tuning.max_poll_interval_ms,
            metadata_max_age_ms=tuning.metadata_max_age_ms,
        )

    def position_of(self, tp: TP) -> int:
        """Return where the next fetch begins, 0 where that is not known. From any thread."""
        consumer: Any = self._ensure_consumer()
        subscription = consumer._subscription.subscription  # noqa: SLF001 - there is no public way
        assignment = subscription.assignment if subscription is not None else None
        if assignment is None or tp not in assignment.tps:
            return 0
        position: int | None = assignment.state_value(tp)._position  # noqa: SLF001 - the same
        return position or 0

    async def seek_there(self, tp: TP, offset: int) -> None:
        """Go to an offset. For the thread's loop: a fetch takes the same buffers apart."""
        self.seek(tp, offset)

    async def say_alive(self) -> None:
        """Tell aiokafka that this consumer still wants its partitions. For the thread's loop."""
        consumer: Any = self._ensure_consumer()
        with consumer._fetcher._subscriptions.fetch_context():  # noqa: SLF001 - the same
            pass


class _LightConsumer(aiokafka.AIOKafkaConsumer):  # type: ignore[misc]
    """Hands out records as the decoder made them."""

    async def start(self) -> None:
        await super().start()
        cast("Any", self._fetcher)._records = _LightRecords()  # noqa: SLF001 - the same


class CoalescingConsumer(driver.Consumer):
    """Yields one message per partition and fetch. Lives on the app's loop."""

    _thread: _ConsumerThread  # pyright: ignore[reportIncompatibleVariableOverride]
    transport: CoalescingTransport

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._handed_out: dict[TP, deque[ConsumerMessage]] = {}
        self._ends: dict[TP, int] = {}
        """Behind what was last handed out, or what was sought."""
        self._current: set[int] = set()
        self._room = asyncio.Event()
        self._buffered_bytes = 0
        self._rewinds: dict[TP, int] = {}
        self.assignments = 0
        """How many times it has been told its partitions."""

    @property
    def buffered_bytes(self) -> int:
        """Bytes of values handed out and not yet acknowledged."""
        return self._buffered_bytes

    def committed_offset(self, tp: TP) -> int:
        """Return the last committed offset, as far as this process knows; 0 where there is none."""
        return self._committed_offset.get(tp) or 0

    def progress(self, tp: TP) -> int:
        """Return the offset up to which nothing is left to do.

        That is the committed one, or, where nothing is in work, the position: what lies between
        (control records, aborted transactions) is nobody's, and nothing commits it.
        """
        if self._handed_out.get(tp):
            return self.committed_offset(tp)
        return max(self.committed_offset(tp), self._thread.position_of(tp))

    def rewind(self, tp: TP, offset: int) -> None:
        """Read a partition again from an offset on, from the next fetch on.

        What was handed out and is not yet acknowledged is forgotten then: acknowledging it counts
        for nothing. What is committed goes back as well, so that it says what is left to do.
        """
        self._rewinds[tp] = offset
        self._room.set()

    async def _rewind(self) -> None:
        # Between two fetches: what a fetch brings that was under way would look like a gap.
        while self._rewinds:
            tp, offset = self._rewinds.popitem()
            if tp in self.assignment():
                await self.seek(tp, offset)
                self._committed_offset[tp] = offset

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        await self._rewind()
        if not await self._has_room():
            return
        records, active = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self._seek_back()
            return
        if not records:
            await self._say_alive()
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if not batch or (active is not None and tp not in active):
                continue
            message = self._to_message(tp, batch)
            self._handed_out.setdefault(tp, deque()).append(message)
            self._current.add(id(message))
            self._buffered_bytes += batch_of(message).held
            yield tp, message

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        records: list[Any] = record
        last = records[-1]
        size = sum([len(one.value) for one in records if one.value is not None])
        begins = self._ends[tp] if tp in self._ends else records[0].offset
        self._ends[tp] = last.offset + 1
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            last.timestamp_type,
            None,
            None,
            cast("Any", RecordBatch(tp.topic, tp.partition, records, size, begins)),
            None,
            None,
            size,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _has_room(self) -> bool:
        """Wait a moment while the buffers are full, alive in the group all the same."""
        if self._buffered_bytes < self.transport.tuning.max_buffered_bytes:
            return True
        await self._say_alive()
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), STALLED_POLL_SECONDS)
        except asyncio.TimeoutError:
            return False
        return self._buffered_bytes < self.transport.tuning.max_buffered_bytes

    async def _say_alive(self) -> None:
        await self._thread.call_thread(self._thread.say_alive)

    async def _seek_back(self) -> None:
        # As the overridden method does: what was fetched is thrown away, so it must come again.
        try:
            await self.perform_seek()
        except Exception as error:
            self.log.warning("seeking back to the committed offsets failed: %r", error)

    def ack(self, message: Message) -> bool:
        if not message.acked and self.is_current(message):
            self._buffered_bytes -= batch_of(message).held
            self._room.set()
        done: bool = super().ack(message)
        return done

    def is_current(self, message: Message) -> bool:
        """Whether an acknowledgement would count: not forgotten by a seek or a rebalance."""
        return id(message) in self._current

    def _new_offset(self, tp: TP) -> int | None:
        # Faust's own bookkeeping counts single offsets; ours is the row.
        self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        row = self._handed_out.get(tp)
        offset: int | None = None
        while row and row[0].acked:
            message = row.popleft()
            self._current.discard(id(message))
            offset = message.offset + 1
        return offset

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Gaps need no record: see the module's text."""

    async def perform_seek(self) -> None:
        await super().perform_seek()
        self._forget(list(self._handed_out))
        if self.transport.starts is not None:
            for tp, offset in (await self.transport.starts(self.assignment())).items():
                await self.seek(tp, offset)

    async def seek(self, partition: TP, offset: int) -> None:
        await super().seek(partition, offset)
        self._forget([partition])
        self._ends[partition] = offset

    async def _seek(self, partition: TP, offset: int) -> None:
        await self._thread.call_thread(self._thread.seek_there, partition, offset)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self.assignments += 1
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        await self.commit()
        self._forget(list(revoked))
        await super().on_partitions_revoked(revoked)

    def _forget(self, partitions: list[TP]) -> None:
        for tp in partitions:
            self._ends.pop(tp, None)
            for message in self._handed_out.pop(tp, ()):
                self._current.discard(id(message))
                if not message.acked:
                    self._buffered_bytes -= batch_of(message).held
        self._room.set()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's check mistakes back-pressure for a fault; :mod:`.watchdog` looks instead."""


class _Producer(driver.Producer):
    """Faust's producer, with an aiokafka producer that is set up by us."""

    transport: CoalescingTransport

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        return aiokafka.AIOKafkaProducer(
            **self.transport.kafka.client_kwargs(),
            client_id=self.client_id,
            acks="all",
            linger_ms=5,
            max_request_size=self.max_request_size,
            request_timeout_ms=self.transport.tuning.request_timeout_ms,
        )


class CoalescingTransport(driver.Transport):
    """Set as ``app.transport`` before the app starts, on the loop that runs it."""

    Consumer = CoalescingConsumer
    Producer = _Producer

    def __init__(self, app: faust.App, kafka: KafkaSettings, tuning: Tuning) -> None:
        super().__init__(app.conf.broker, app)
        self.kafka = kafka
        self.tuning = tuning
        self.starts: Callable[[set[TP]], Awaitable[dict[TP, int]]] | None = None
        """Where to begin, for a processor whose state knows better than the committed offsets."""
