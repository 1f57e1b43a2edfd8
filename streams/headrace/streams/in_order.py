"""Writing entries of evidence to a partition: in order, without a gap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition

from headrace.events.settings import Settings
from headrace.events.topics import sealed_bytes
from headrace.producers.kafka_log import FRAMING


def largest_batch(settings: Settings) -> int:
    """Return how many bytes of a batch a topic of evidence takes."""
    # Some room for a batch's own header, and for a record's, its key and its headers.
    return sealed_bytes(settings.max_event_bytes) - FRAMING


async def send_in_order(
    producer: AIOKafkaProducer,
    place: TopicPartition,
    entries: Iterable[tuple[bytes, bytes]],
    *,
    headers: list[tuple[str, bytes]] | None = None,
    timestamp: int | None = None,
) -> int:
    """Write keys and values, which must be some; return the offset behind the last.

    ``timestamp``: ms since 1970; None: now. One record batch after the other: what comes behind
    one that is lost would leave a gap, which no reader forgives. Raises KafkaError.
    """
    batch = producer.create_batch()
    for key, value in entries:
        one: dict[str, Any] = {"key": key, "value": value, "headers": headers or []}
        if batch.append(timestamp=timestamp, **one) is None:
            await _send(producer, place, batch)
            batch = producer.create_batch()
            batch.append(timestamp=timestamp, **one)
    return await _send(producer, place, batch)


async def _send(producer: AIOKafkaProducer, place: TopicPartition, batch: Any) -> int:
    batch.close()
    sent = await producer.send_batch(batch, place.topic, partition=place.partition)
    end: int = (await sent).offset + batch.record_count()
    return end
