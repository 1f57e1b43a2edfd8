"""From where to where a topic is read first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.events.settings import KafkaSettings
from headrace.streams.stop_consumer import stop_consumer


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets: the first one, and the one behind the last."""

    start: int
    end: int


async def spans(kafka: KafkaSettings, topic: str, since: Mapping[int, float]) -> dict[int, Span]:
    """Find what was written to partitions since a time (s since 1970) each.

    Raises KafkaError or OSError.
    """
    consumer = AIOKafkaConsumer(
        **kafka.client_kwargs(), enable_auto_commit=False, isolation_level="read_committed"
    )
    await consumer.start()
    try:
        times = {TopicPartition(topic, n): max(0, int(at * 1000)) for n, at in since.items()}
        ends = await consumer.end_offsets(list(times))
        found = await consumer.offsets_for_times(times)
    finally:
        await stop_consumer(consumer)
    # Where nothing was written since, a Kafka has no offset; the embedded one says 0.
    return {
        tp.partition: Span(found[tp].offset if found[tp] else end, end) for tp, end in ends.items()
    }
