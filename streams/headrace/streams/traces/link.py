"""The connections of traces: spans go out and are read again, states come and go."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.producers.kafka_log import FRAMING, incarnation_of
from headrace.streams.producer import start_producer
from headrace.streams.read_to import read_to
from headrace.streams.same_log import need_same_log
from headrace.streams.states import FileStates, KafkaStates, States
from headrace.streams.traces.made import Made, Place

NAME: Final = "traces"
PLACE: Final = "place"
"""The header of a span that says where in the source it was closed: ``log/offset/after``."""


class _Span(msgspec.Struct):
    id: str = msgspec.field(name="SpanId")


_span: Final = msgspec.json.Decoder(_Span).decode

Recall = Callable[[Place, str], None]


class Link:
    """For one loop."""

    def __init__(
        self,
        settings: Settings,
        producer: AIOKafkaProducer,
        reader: AIOKafkaConsumer,
        logs: tuple[str, str],
        stack: AsyncExitStack,
    ) -> None:
        """``logs``: the incarnations of agent.events and of agent.spans."""
        self._source, self._spans = settings.topic(topics.EVENTS), settings.topic(topics.SPANS)
        self._source_log, self._spans_log = logs
        self._log = hashlib.sha256(self._source_log.encode()).hexdigest()[:16]
        self._producer = producer
        self._reader = reader
        self._reading = asyncio.Lock()
        self._stack = stack
        self._states: States = KafkaStates(
            settings.need_kafka(), settings.topic(topics.TRACES_STATE), producer
        )
        # An embedded Kafka loses its topics at a restart, while files stay.
        if self._source_log.startswith(LOCAL_CLUSTER):
            self._states = FileStates(settings.state_dir / f"{settings.topic_prefix}traces", NAME)

    @classmethod
    async def make(cls, settings: Settings) -> Link:
        """Connect. Raises KafkaError or OSError where Kafka is away."""
        async with AsyncExitStack() as stack:
            largest = settings.max_event_bytes - FRAMING
            producer = await start_producer(settings, NAME, max_batch_bytes=largest)
            stack.push_async_callback(producer.stop)
            reader = AIOKafkaConsumer(
                **settings.need_kafka().client_kwargs(),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            stack.push_async_callback(reader.stop)
            await reader.start()
            logs = (
                await incarnation_of(producer, settings.topic(topics.EVENTS)),
                await incarnation_of(producer, settings.topic(topics.SPANS)),
            )
            return cls(settings, producer, reader, logs, stack.pop_all())

    async def close(self) -> None:
        await self._stack.aclose()

    async def need_same_logs(self) -> None:
        """Raise HeadraceError where a topic was made anew, KafkaError where Kafka is away."""
        await need_same_log(self._producer, self._source, self._source_log)
        await need_same_log(self._producer, self._spans, self._spans_log)

    async def load(self, partition: int) -> tuple[dict[str, Any] | None, bool, int]:
        """Return what was saved of a partition, whether its source goes on, and where to read.

        From that offset of agent.spans on stand spans that the state does not know of. Raises
        KafkaError, OSError or Retryable.
        """
        data = await self._states.load(partition)
        if data is None:
            return None, True, 0
        end = data["end"] if data["spans"] == self._spans_log else 0
        return data, data["source"] == self._source_log, end

    async def save(self, partition: int, state: dict[str, Any], end: int) -> None:
        """Save a partition's state, which is used at once. Raises KafkaError or OSError."""
        logs = {"source": self._source_log, "spans": self._spans_log, "end": end}
        await self._states.save(partition, orjson.dumps(state | logs))

    async def read(self, partition: int, begin: int, recall: Recall, end: int | None = None) -> int:
        """Read agent.spans from an offset to an end; return the offset behind what was there.

        Raises KafkaError or Retryable.
        """
        place = TopicPartition(self._spans, partition)
        async with self._reading:
            self._reader.assign([place])
            self._reader.seek(place, begin)
            ends = {place: end} if end is not None else await self._reader.end_offsets([place])
            behind = max(begin, ends[place])
            async for record in read_to(self._reader, ends):
                if end is None or record.offset < end:
                    behind = max(behind, record.offset + 1)
                    self._tell(record, recall)
            return behind

    def _tell(self, record: Any, recall: Recall) -> None:
        header = next((value for key, value in record.headers if key == PLACE), None)
        try:
            log, offset, after = (header or b"").decode().split("/")
            if log == self._log:
                recall(Place(int(offset), int(after)), _span(record.value).id)
        except (ValueError, TypeError, msgspec.MsgspecError):
            return  # nobody but us writes there; what is not ours is not in the way

    async def write(self, partition: int, made: Sequence[Made]) -> tuple[int, int]:
        """Write spans, in order; return the offset of the first, and that behind the last.

        One record batch after the other, so that what landed is always a beginning. Raises
        KafkaError.
        """
        first = end = -1
        batch = self._producer.create_batch()
        for one in made:
            if not self._append(batch, one):
                at, end = await self._send(partition, batch)
                first = at if first < 0 else first
                batch = self._producer.create_batch()
                self._append(batch, one)
        at, end = await self._send(partition, batch)
        return at if first < 0 else first, end

    def _append(self, batch: Any, one: Made) -> bool:
        place = f"{self._log}/{one.place.offset}/{one.place.after}".encode()
        appended = batch.append(
            timestamp=None, key=one.session.encode(), value=one.value, headers=[(PLACE, place)]
        )
        return appended is not None

    async def _send(self, partition: int, batch: Any) -> tuple[int, int]:
        batch.close()
        sent = await self._producer.send_batch(batch, self._spans, partition=partition)
        offset: int = (await sent).offset
        return offset, offset + batch.record_count()
