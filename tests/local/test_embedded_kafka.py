from __future__ import annotations

import os
import signal
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from headrace.local.kafka import EmbeddedKafka, broker_binary, cluster_id
from tests.support import unique


async def test_a_record_goes_through(kafka: str) -> None:
    topic = unique("topic")
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=False
    ) as producer:
        await producer.send_and_wait(topic, b"value", key=b"key")
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        record = await consumer.getone()
    assert (record.key, record.value) == (b"key", b"value")


async def test_each_start_is_a_new_cluster_at_the_same_address(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    address = await broker.start()
    first = await cluster_id(address)
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGKILL)
    assert await broker.child.wait() == -signal.SIGKILL
    assert await cluster_id(address) is None

    assert await broker.start() == address
    assert await cluster_id(address) not in {None, first}
    await broker.stop()


async def test_two_brokers_do_not_meet(tmp_path: Path) -> None:
    one, other = EmbeddedKafka(tmp_path), EmbeddedKafka(tmp_path)
    assert await one.start() != await other.start()
    assert one.cluster_id != other.cluster_id
    await one.stop()
    await other.stop()


def test_the_program_needs_no_home(tmp_path: Path) -> None:
    assert os.access(broker_binary(tmp_path), os.X_OK)
    assert not list(tmp_path.iterdir())
