from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from tests.stack.real_kafka import KafkaCluster
from tests.support import unique


async def _topic(bootstrap: str, replication: int) -> str:
    topic = unique("topic")
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(topic, 1, replication)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()
    return topic


async def _send(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await asyncio.wait_for(producer.send_and_wait(topic, value, partition=0), 60)


async def _read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        records = [await asyncio.wait_for(consumer.getone(), 60) for _ in range(count)]
    return [record.value for record in records]


@pytest.mark.kafka
async def test_a_killed_broker_keeps_what_it_acknowledged(kafka_cluster: KafkaCluster) -> None:
    topic = await _topic(kafka_cluster.bootstrap, 1)
    await _send(kafka_cluster.bootstrap, topic, b"before")
    await asyncio.to_thread(kafka_cluster.kill)
    await asyncio.to_thread(kafka_cluster.restart)
    await _send(kafka_cluster.bootstrap, topic, b"after")
    assert await _read(kafka_cluster.bootstrap, topic, 2) == [b"before", b"after"]


@pytest.mark.kafka3
async def test_two_of_three_brokers_carry_on(kafka3: KafkaCluster) -> None:
    topic = await _topic(kafka3.bootstrap, 3)
    await _send(kafka3.bootstrap, topic, b"three")
    await asyncio.to_thread(kafka3.kill, 2)
    try:
        await _send(kafka3.bootstrap, topic, b"two")
        assert await _read(kafka3.bootstrap, topic, 2) == [b"three", b"two"]
    finally:
        await asyncio.to_thread(kafka3.restart, 2)


@pytest.mark.kafka
async def test_topics_are_not_made_by_a_typing_error(kafka: str) -> None:
    with pytest.raises(KafkaError):
        async with AIOKafkaProducer(bootstrap_servers=kafka, request_timeout_ms=3000) as producer:
            await producer.send_and_wait(unique("typo"), b"x")
