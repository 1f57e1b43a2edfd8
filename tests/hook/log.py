"""Reading back what Kafka has, for tests of delivery."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from headrace.events.envelope import decode
from headrace.events.identity import Identity
from headrace.events.settings import KafkaSettings

PARTITIONS = 4


async def create_topic(
    kafka: str | KafkaSettings, topic: str, *, replication: int = 1, limit: int = 1_000_000
) -> None:
    settings = kafka if isinstance(kafka, KafkaSettings) else KafkaSettings(kafka)
    admin = AIOKafkaAdminClient(**settings.client_kwargs())
    await admin.start()
    try:
        await admin.create_topics(
            [
                NewTopic(
                    topic, PARTITIONS, replication, topic_configs={"max.message.bytes": str(limit)}
                )
            ]
        )
    finally:
        await admin.close()


async def delete_topic(kafka: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        await admin.delete_topics([topic])
    finally:
        await admin.close()


async def records(kafka: str | KafkaSettings, topic: str) -> list[Any]:
    """Every record of the topic, up to where it ends now."""
    settings = kafka if isinstance(kafka, KafkaSettings) else KafkaSettings(kafka)
    consumer = AIOKafkaConsumer(**settings.client_kwargs(), max_poll_records=10_000)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[Any] = []
        while True:
            places = [await consumer.position(p) for p in partitions]
            if all(place >= ends[p] for place, p in zip(places, partitions, strict=True)):
                return found
            batch = await asyncio.wait_for(consumer.getmany(timeout_ms=500), timeout=30)
            found += [record for some in batch.values() for record in some]
    finally:
        await consumer.stop()


async def identities(kafka: str | KafkaSettings, topic: str) -> Counter[Identity]:
    return Counter(decode(record.value).identity for record in await records(kafka, topic))


def holes(found: Iterable[Identity]) -> dict[str, list[int]]:
    """Numbers that are missing below the highest of each epoch."""
    by_epoch: dict[str, set[int]] = {}
    for identity in found:
        by_epoch.setdefault(identity.epoch, set()).add(identity.seq)
    missing = {e: sorted(set(range(1, max(s) + 1)) - s) for e, s in by_epoch.items()}
    return {epoch: numbers for epoch, numbers in missing.items() if numbers}
