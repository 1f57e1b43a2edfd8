"""Looking at Kafka without taking part, whatever the broker."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from headrace.cli import kafka as looking
from headrace.cli.faults import CommandError
from headrace.events import topics
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import topic_admin
from tests.cli.conftest import command_line, line
from tests.support import unique

PARTITIONS = 3


class LookingBehaviour:
    @pytest.fixture
    async def settings(self, kafka: str, tmp_path: Path) -> Settings:
        settings = Settings(
            state_dir=tmp_path,
            kafka=KafkaSettings(kafka),
            topic_prefix=unique() + ".",
            partitions=PARTITIONS,
        )
        await topic_admin.apply(settings)
        return settings

    async def test_partitions_are_those_of_the_cluster(self, settings: Settings) -> None:
        topic = settings.topic(topics.EVENTS)
        async with looking.consumer(settings) as client:
            found = await looking.partitions_of(client, topic)
            assert found == [TopicPartition(topic, number) for number in range(PARTITIONS)]
            with pytest.raises(CommandError, match="no topic nowhere: `headrace topics apply`"):
                await looking.partitions_of(client, "nowhere")

    async def test_a_lag_is_what_is_not_committed(self, settings: Settings) -> None:
        await send(settings, [4, 0, 2])
        await commit(settings, "archive", [3, 0, None])
        group = ("archive", topics.EVENTS)
        lags = await looking.lags(settings, *group)
        assert [one.partition for one in lags] == [0, 1, 2]
        assert [one.end for one in lags] == [4, 0, 2]
        assert [one.behind for one in lags] == [1, 0, 2]
        assert [one.committed for one in lags] == [3, 0, None]
        in_flight = [one async for one in looking.read_in_flight(settings, *group)]
        assert sorted((one.partition, one.offset) for one in in_flight) == [(0, 3), (2, 0), (2, 1)]

    async def test_tail_shows_what_comes(self, settings: Settings) -> None:
        environ = os.environ | {
            "HEADRACE_KAFKA": settings.need_kafka().bootstrap_servers,
            "HEADRACE_TOPIC_PREFIX": settings.topic_prefix,
            "HEADRACE_STATE_DIR": str(settings.state_dir),
        }
        tail = await asyncio.create_subprocess_exec(
            *command_line("tail", "--json"), env=environ, stdout=PIPE, stderr=PIPE
        )
        assert tail.stdout is not None
        shown = asyncio.create_task(tail.stdout.readline())
        # What came before it had found the ends is not shown.
        for number in range(300):
            await send(settings, [1, 1, 1], first=number)
            if (await asyncio.wait([shown], timeout=0.2))[0]:
                break
        tail.kill()
        _, said = await tail.communicate()
        assert orjson.loads(await shown)["tenant"] == "acme", said


async def send(settings: Settings, counts: Sequence[int], *, first: int = 0) -> None:
    """Send so many events to each partition."""
    kafka, topic = settings.need_kafka().bootstrap_servers, settings.topic(topics.EVENTS)
    async with AIOKafkaProducer(bootstrap_servers=kafka, acks="all") as producer:
        for partition, count in enumerate(counts):
            for seq in range(first, first + count):
                value = line("acme", "s-1", seq, "x", {})
                await producer.send_and_wait(topic, value, b"s-1", partition=partition)


async def commit(settings: Settings, processor: str, offsets: Sequence[int | None]) -> None:
    """Commit as the worker of a processor does."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.need_kafka().bootstrap_servers,
        group_id=looking.group(settings, processor),
        enable_auto_commit=False,
    )
    async with consumer:
        topic = settings.topic(topics.EVENTS)
        places = {TopicPartition(topic, n): at for n, at in enumerate(offsets) if at is not None}
        consumer.assign(list(places))
        await consumer.commit(places)
