"""Looking at Kafka without taking part: no group is joined, nothing is committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from headrace.cli.faults import CommandError
from headrace.cli.text import one_line
from headrace.events.settings import Settings
from headrace.streams import away
from headrace.streams.read_to import read_to
from headrace.streams.stop_consumer import stop_consumer

CONNECT_SECONDS: Final = 10.0
"""A cluster that has not answered by then is away: people wait for the answer."""
REQUEST_MS: Final = 10_000


def group(settings: Settings, processor: str) -> str:
    """Return the consumer group of a processor."""
    return f"{settings.topic_prefix}headrace.{processor}"


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a group is behind on one partition, in offsets."""

    partition: int
    committed: int | None
    """The next offset to read. None where the group has committed nothing yet."""
    end: int
    behind: int


@asynccontextmanager
async def consumer(settings: Settings, **more: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer for looking. Raises CommandError in one line where Kafka is away."""
    kafka = settings.need_kafka()
    options: dict[str, Any] = {
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "isolation_level": "read_committed",
        "request_timeout_ms": REQUEST_MS,
        **kafka.client_kwargs(),
        **more,
    }
    client = AIOKafkaConsumer(**options)
    try:
        await asyncio.wait_for(client.start(), CONNECT_SECONDS)
        yield client
    except (KafkaError, asyncio.TimeoutError, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise  # our own output's reader, not the broker
        raise CommandError(one_line(away.explain(kafka, error))) from None
    finally:
        await stop_consumer(client)


async def partitions_of(client: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """Return a topic's partitions. Raises CommandError where there is no such topic."""
    # partitions_for_topic() knows only topics that the client already reads.
    metadata: Any = await client._client.fetch_all_metadata()  # noqa: SLF001
    numbers = metadata.partitions_for_topic(topic)
    if not numbers:
        raise CommandError(f"no topic {topic}: `headrace topics apply` makes the topics")
    return [TopicPartition(topic, number) for number in sorted(numbers)]


async def lags(settings: Settings, processor: str, topic: str) -> list[Lag]:
    """Return how far a processor is behind on each partition of a topic (unprefixed name)."""
    async with consumer(settings, group_id=group(settings, processor)) as client:
        partitions = await partitions_of(client, settings.topic(topic))
        client.assign(partitions)
        return await _lags(client, partitions)


async def _lags(client: AIOKafkaConsumer, partitions: list[TopicPartition]) -> list[Lag]:
    committed = {tp: await client.committed(tp) for tp in partitions}
    first = await client.beginning_offsets(partitions)
    ends = await true_ends(client, partitions)
    return [
        Lag(
            partition=tp.partition,
            committed=committed[tp],
            end=ends[tp],
            behind=max(0, ends[tp] - max(committed[tp] or 0, first[tp])),
        )
        for tp in partitions
    ]


async def true_ends(
    client: AIOKafkaConsumer, partitions: list[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return where the partitions end. Moves the client's positions."""
    # The embedded broker names the end of its last batch's first record, so look behind it.
    ends: dict[TopicPartition, int] = dict(await client.end_offsets(partitions))
    for tp in partitions:
        client.seek(tp, max(0, ends[tp] - 1))
    async for record in read_to(client, dict(ends)):
        tp = TopicPartition(record.topic, record.partition)
        ends[tp] = max(ends[tp], record.offset + 1)
    return ends


async def read_in_flight(settings: Settings, processor: str, topic: str) -> AsyncIterator[Any]:
    """Yield the records that a processor has not committed yet, up to the end."""
    async with consumer(settings, group_id=group(settings, processor)) as client:
        partitions = await partitions_of(client, settings.topic(topic))
        client.assign(partitions)
        first = await client.beginning_offsets(partitions)
        for tp in partitions:
            client.seek(tp, max(await client.committed(tp) or 0, first[tp]))
        async for record in read_to(client, await client.end_offsets(partitions)):
            yield record


async def oldest_in_flight(settings: Settings, topic: str, lags: Iterable[Lag]) -> float | None:
    """Return when the oldest record that a processor has not committed was written.

    In seconds since 1970; by the first one of each partition. ``lags``: the processor's on that
    topic (unprefixed name). None where it is behind on none.
    """
    written: list[float] = []
    async with consumer(settings) as client:
        for lag in lags:
            if lag.behind:
                tp = TopicPartition(settings.topic(topic), lag.partition)
                client.assign([tp])
                client.seek(tp, lag.end - lag.behind)
                async with aclosing(read_to(client, {tp: lag.end})) as records:
                    async for record in records:
                        written.append(record.timestamp / 1000)
                        break
    return min(written, default=None)


async def members(settings: Settings, processor: str) -> int | None:
    """Count the workers in a processor's group; None where the broker does not tell."""
    kafka = settings.need_kafka()
    admin = AIOKafkaAdminClient(**kafka.client_kwargs(), request_timeout_ms=REQUEST_MS)
    try:
        await asyncio.wait_for(admin.start(), CONNECT_SECONDS)
        answers: list[Any] = await admin.describe_consumer_groups([group(settings, processor)])
        return sum(len(one[5]) for answer in answers for one in answer.groups)
    except (KafkaError, OSError, asyncio.TimeoutError, AttributeError, IndexError):
        return None
    finally:
        await admin.close()


def total_behind(all_lags: Iterable[Lag]) -> int:
    """Add up the lags."""
    return sum(lag.behind for lag in all_lags)
