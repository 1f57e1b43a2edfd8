"""A topic that holds a realistic mix of events, as the hook would write them."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from realistic import SessionEvent, mix

from headrace.events.identity import new_epoch
from headrace.events.settings import Settings
from headrace.streams.read_to import read_to

TENANTS = 3
BATCH_BYTES = 512 * 1024


@dataclass(slots=True)
class _Epoch:
    tenant: str
    name: str = field(default_factory=new_epoch)
    seq: int = 0
    turn: int = 0
    calling: bool = False
    """A model call has begun, and nothing of its answer has come."""

    def next(self, kind: str, number: int) -> dict[str, Any]:
        """Return the number, the turn, and the duration where the hook measures one."""
        self.seq += 1
        self.turn += kind == "turn_begin"
        told = {"seq": self.seq, "turn": self.turn}
        if kind == "turn_end":
            told["duration_ms"] = 500 + number % 40_000
        elif kind == "llm_call_started":
            self.calling = True
        elif self.calling and kind in ("llm_text", "thinking"):
            self.calling = False
            told["duration_ms"] = 50 + number % 2000
        return told


def encoded(
    count: int, began: float = 1_764_000_000, rate: float = 1000
) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) as the hook would write them, ``rate`` a second from ``began`` on."""
    # Parsing the same sample again and again would time the generator.
    return written(mix(count), began, rate)


def written(
    events: Iterable[SessionEvent], began: float = 1_764_000_000, rate: float = 1000
) -> Iterator[tuple[bytes, bytes]]:
    """The same of events that are given."""
    epochs: dict[str, _Epoch] = {}
    for number, (session, event) in enumerate(events):
        epoch = epochs.get(session)
        if epoch is None:
            epoch = epochs[session] = _Epoch(f"tenant-{len(epochs) % TENANTS}")
        envelope = {
            "v": 1,
            "tenant": epoch.tenant,
            "session": session,
            "user": "u-1",
            "agent": "main",
            "epoch": epoch.name,
            **epoch.next(event.type, number),
            "ts": began + number / rate,
            "type": event.type,
            "data": event.data,
        }
        yield session.encode(), orjson.dumps(envelope)


def partition_of(key: bytes, partitions: int) -> int:
    return zlib.crc32(key) % partitions


async def fill(settings: Settings, events: Iterator[tuple[bytes, bytes]]) -> int:
    """Produce the events to ``agent.events``; return their bytes."""
    topic, partitions = settings.topic("agent.events"), settings.partitions
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.need_kafka().bootstrap_servers,
        acks="all",
        max_batch_size=BATCH_BYTES,
        linger_ms=0,
    )
    await producer.start()
    total = 0
    batches = [producer.create_batch() for _ in range(partitions)]
    try:
        for key, value in events:
            total += len(value)
            partition = partition_of(key, partitions)
            if batches[partition].append(key=key, value=value, timestamp=None) is None:
                batches[partition].close()
                await producer.send_batch(batches[partition], topic, partition=partition)
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=None)
        for partition, batch in enumerate(batches):
            batch.close()
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return total


async def held(settings: Settings, topic: str, partition: int) -> AsyncIterator[Any]:
    """Yield every record that a partition holds."""
    place = TopicPartition(settings.topic(topic), partition)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.need_kafka().bootstrap_servers, enable_auto_commit=False
    )
    async with consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        async for record in read_to(consumer, await consumer.end_offsets([place])):
            yield record
