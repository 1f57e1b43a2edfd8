"""Compacted topics: what each key says now."""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.events.errors import Retryable
from headrace.events.settings import KafkaSettings
from headrace.streams.read_to import read_to
from headrace.streams.stop_consumer import stop_consumer


async def latest(kafka: KafkaSettings, topic: str) -> dict[bytes, bytes]:
    """Read a topic to its end; the last value of each key, in the order in which they were written.

    Keys whose last record is a tombstone are not there. Raises KafkaError, OSError, or
    :class:`Retryable` where the topic is not known or Kafka falls silent.
    """
    consumer = AIOKafkaConsumer(
        **kafka.client_kwargs(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        await consumer.start()
        # partitions_for_topic() knows only topics that the client already reads.
        metadata: Any = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        places = [TopicPartition(topic, n) for n in metadata.partitions_for_topic(topic) or ()]
        if not places:
            raise Retryable(f"no topic {topic}: `headrace topics apply` makes the topics")
        consumer.assign(places)
        await consumer.seek_to_beginning(*places)
        found: dict[bytes, bytes] = {}
        async for record in read_to(consumer, await consumer.end_offsets(places)):
            found.pop(record.key, None)
            if record.value is not None:
                found[record.key] = record.value
        return found
    finally:
        await stop_consumer(consumer)
