"""The connections of the split: leaves go out and are read again, states come and go."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from headrace.events import topics
from headrace.events.errors import HeadraceError
from headrace.events.settings import Settings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.producers.kafka_log import incarnation_of
from headrace.streams.audit.fold import CLAIM, WRITER
from headrace.streams.in_order import largest_batch, send_in_order
from headrace.streams.producer import start_producer
from headrace.streams.read_to import read_to
from headrace.streams.same_log import need_same_log
from headrace.streams.states import FileStates, KafkaStates, States

NAME: Final = "audit"


@dataclass(frozen=True, slots=True)
class Incarnations:
    """Which logs the two topics are."""

    source: str
    audit: str

    def log(self, partition: int) -> str:
        """Name the audit log of a partition of the source."""
        return f"{hashlib.sha256(self.source.encode()).hexdigest()[:16]}-{partition}"


class Link:
    """For one loop; its partitions do not stand in each other's way."""

    def __init__(
        self,
        settings: Settings,
        producer: AIOKafkaProducer,
        reader: AIOKafkaConsumer,
        logs: Incarnations,
        stack: AsyncExitStack,
    ) -> None:
        self.logs = logs
        self.forgets = logs.source.startswith(LOCAL_CLUSTER)
        """Whether Kafka loses its topics at a restart, while files stay."""
        self._source = settings.topic(topics.EVENTS)
        self._audit = settings.topic(topics.AUDIT)
        self._producer = producer
        self._reader = reader
        self._reading = asyncio.Lock()
        self._stack = stack
        self._states: States = KafkaStates(
            settings.need_kafka(), settings.topic(topics.AUDIT_STATE), producer
        )
        if self.forgets:
            directory = settings.state_dir / "audit" / f"{settings.topic_prefix}split"
            self._states = FileStates(directory, NAME)

    @classmethod
    async def make(cls, settings: Settings) -> Link:
        """Connect. Raises KafkaError or OSError where Kafka is away."""
        async with AsyncExitStack() as stack:
            largest = largest_batch(settings)
            producer = await start_producer(settings, NAME, max_batch_bytes=largest)
            stack.push_async_callback(producer.stop)
            reader = AIOKafkaConsumer(
                **settings.need_kafka().client_kwargs(),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            stack.push_async_callback(reader.stop)
            await reader.start()
            logs = Incarnations(
                await incarnation_of(producer, settings.topic(topics.EVENTS)),
                await incarnation_of(producer, settings.topic(topics.AUDIT)),
            )
            return cls(settings, producer, reader, logs, stack.pop_all())

    async def close(self) -> None:
        await self._stack.aclose()

    async def need_same_logs(self) -> None:
        """Raise HeadraceError where a topic was made anew, KafkaError where Kafka is away."""
        await need_same_log(self._producer, self._source, self.logs.source)
        await need_same_log(self._producer, self._audit, self.logs.audit)

    async def load(self, partition: int) -> dict[str, Any] | None:
        """Return what was saved of a partition, None where it is to begin empty.

        Raises HeadraceError where it continues in no log that there is; else as :class:`States`.
        """
        data = await self._states.load(partition)
        if data is None or data["audit"] == self.logs.audit:
            return data
        if self.forgets:
            return None
        raise HeadraceError(
            f"{self._audit} was made anew ({self.logs.audit}, not {data['audit']}): what is not "
            "in the vault is lost; to begin new logs, delete agent.audit.state as well and run "
            "`headrace topics apply`"
        )

    async def save(self, partition: int, state: dict[str, Any]) -> None:
        """Save a partition's state. Raises KafkaError or OSError."""
        logs = {"source": self.logs.source, "audit": self.logs.audit}
        await self._states.save(partition, orjson.dumps(state | logs))

    async def first_offset(self, partition: int) -> int:
        """Return the first offset that the source still has. Raises KafkaError."""
        place = TopicPartition(self._source, partition)
        first: dict[TopicPartition, int] = await self._reader.beginning_offsets([place])
        return first[place]

    async def claim(self, partition: int) -> tuple[bytes, int]:
        """Claim a partition of agent.audit under a new name; the name, and the claim's offset.

        Raises KafkaError.
        """
        writer = uuid4().hex.encode()
        sent = await self._producer.send_and_wait(self._audit, None, CLAIM + writer, partition)
        return writer, sent.offset

    async def read(
        self, partition: int, begin: int, end: int, take: Callable[[Any], object]
    ) -> None:
        """Read a piece of agent.audit. Raises KafkaError, Retryable and what ``take`` raises."""
        place = TopicPartition(self._audit, partition)
        async with self._reading:
            self._reader.assign([place])
            self._reader.seek(place, begin)
            async for record in read_to(self._reader, {place: end}):
                if record.offset < end:
                    take(record)

    async def write(
        self, partition: int, writer: bytes, entries: Sequence[tuple[bytes, bytes]]
    ) -> int:
        """Write entries, in order; return the offset behind the last. Raises KafkaError."""
        headers = [(WRITER, writer)]
        return await send_in_order(
            self._producer, TopicPartition(self._audit, partition), entries, headers=headers
        )
