"""The connections to the topics of classes: leaves go out, and what is there is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from headrace.events.errors import Retryable
from headrace.events.settings import Settings
from headrace.events.topics import LOCAL_CLUSTER, class_topic
from headrace.producers.kafka_log import cluster_id_of, incarnation_of, need_topic
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.leaf import POLICY, LeafError
from headrace.streams.audit.class_topics import classes_of
from headrace.streams.audit.partition import POLICY_KEY
from headrace.streams.in_order import largest_batch, send_in_order
from headrace.streams.producer import start_producer
from headrace.streams.read_to import read_to
from headrace.streams.stop_consumer import stop_consumer

FETCH_MS: Final = 20
"""How long a broker holds a fetch at the end of a partition, and what is asked behind it."""


class ClassLink:
    """For one task. Raises KafkaError, OSError or TimeoutError where Kafka is away."""

    def __init__(self, settings: Settings, worker: str) -> None:
        self._settings = settings
        self._worker = worker
        self._producer: AIOKafkaProducer | None = None
        self._reader: AIOKafkaConsumer | None = None

    async def connect(self) -> None:
        """Connect, where that is not done."""
        if self._producer is None:
            self._producer = await self._start(idempotent=False)
            cluster = await cluster_id_of(self._producer)
            if not cluster.startswith(LOCAL_CLUSTER):
                await self._producer.stop()
                self._producer = None
                self._producer = await self._start(idempotent=True)
        if self._reader is None:
            reader = AIOKafkaConsumer(
                **self._settings.need_kafka().client_kwargs(),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=FETCH_MS,
            )
            try:
                await reader.start()
            except BaseException:
                await stop_consumer(reader)
                raise
            self._reader = reader

    async def close(self) -> None:
        """Let go of the connections, whatever Kafka does; :meth:`connect` makes others."""
        producer, self._producer = self._producer, None
        reader, self._reader = self._reader, None
        if reader is not None:
            await stop_consumer(reader)
        if producer is not None:
            await asyncio.gather(producer.stop(), return_exceptions=True)

    async def classes(self) -> set[str]:
        """Name the classes that have topics, of whatever policy they are."""
        metadata: Any = await self._made.client.fetch_all_metadata()
        return classes_of(self._settings, metadata.topics())

    async def incarnation(self, audit_class: str) -> str:
        """Say which log a topic is now. Raises :class:`Retryable` where it is missing."""
        topic = self._topic(audit_class)
        try:
            await need_topic(self._made, topic)
            return await incarnation_of(self._made, topic)
        except UnknownTopicOrPartitionError:
            raise Retryable(f"no topic {topic}: run `headrace topics apply`") from None

    async def last(self, audit_class: str, partition: int, log: str, times: Iterable[float]) -> int:
        """Return the index of the last leaf of a log in a partition of a topic, -1: there is none.

        ``times``: seconds since 1970, ever earlier, at which its last leaves may have been written:
        other logs may have written to the partition since.
        """
        place = await self._place(audit_class, partition)
        end = (await self._reading.end_offsets([place]))[place]
        first = (await self._reading.beginning_offsets([place]))[place]
        for time in [*times, None]:
            begin = first
            if time is not None:
                found = await self._reading.offsets_for_times({place: int(time * 1000)})
                begin = max(first, found[place].offset) if found[place] is not None else end
            if begin < end:
                last = await self._last_between(place, begin, end, log)
                if last >= 0:
                    return last
                end = begin
        return -1

    async def _last_between(self, place: TopicPartition, begin: int, end: int, log: str) -> int:
        last = -1
        self._reading.assign([place])
        self._reading.seek(place, begin)
        async for record in read_to(self._reading, {place: end}):
            if (head := _head(record.value)) is not None and head.log == log:
                last = max(last, head.index)
        # Else it would ask for more, and what is asked next would stand behind that.
        self._reading.unsubscribe()
        return last

    async def send(
        self, audit_class: str, partition: int, sealed_at: float, lines: Sequence[bytes]
    ) -> None:
        """Write leaves, in order; whoever raises may have written some. ``sealed_at``: seconds."""
        place = await self._place(audit_class, partition)
        entries = [(_key(line), line) for line in lines]
        # So Kafka counts their days from when they were sealed, as the vault does.
        await send_in_order(self._made, place, entries, timestamp=int(sealed_at * 1000))

    @property
    def _made(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise KafkaError("not connected")
        return self._producer

    @property
    def _reading(self) -> AIOKafkaConsumer:
        if self._reader is None:
            raise KafkaError("not connected")
        return self._reader

    async def _place(self, audit_class: str, partition: int) -> TopicPartition:
        topic = self._topic(audit_class)
        if partition not in await self._made.partitions_for(topic):
            raise Retryable(f"{topic} has no partition {partition}, and agent.audit has")
        return TopicPartition(topic, partition)

    async def _start(self, *, idempotent: bool) -> AIOKafkaProducer:
        return await start_producer(
            self._settings,
            self._worker,
            max_batch_bytes=largest_batch(self._settings),
            idempotent=idempotent,
        )

    def _topic(self, audit_class: str) -> str:
        return self._settings.topic(class_topic(audit_class))


def _key(line: bytes) -> bytes:
    """Return the key that a leaf has in agent.audit."""
    head = leaves.read(line)
    return POLICY_KEY if head.kind == POLICY else (head.session or "").encode()


def _head(value: bytes | None) -> leaves.Leaf | None:
    """Return None for what is no leaf: somebody else writes to the topic."""
    try:
        return leaves.read(value) if value is not None else None
    except LeafError:
        return None
