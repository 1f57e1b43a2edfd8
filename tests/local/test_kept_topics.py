"""What compacted topics say outlives the embedded Kafka."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from headrace.events.settings import KafkaSettings, Settings
from headrace.local.kafka import EmbeddedKafka
from headrace.local.kept_topics import KeptTopics
from headrace.streams.compacted import latest
from tests.support import wait_until


async def make(kafka: KafkaSettings, *topics: str) -> None:
    admin = AIOKafkaAdminClient(**kafka.client_kwargs())
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1) for topic in topics])
    await admin.close()


async def write(kafka: KafkaSettings, topic: str, *records: tuple[bytes, bytes | None]) -> None:
    async with AIOKafkaProducer(**kafka.client_kwargs(), max_request_size=1 << 22) as producer:
        for key, value in records:
            await producer.send_and_wait(topic, value, key)


def values(file: Path) -> list[bytes]:
    with closing(sqlite3.connect(file)) as kept:
        return [value for (value,) in kept.execute("SELECT value FROM kept ORDER BY value")]


async def test_the_next_kafka_is_told_what_the_last_one_knew(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    kafka = KafkaSettings(await broker.start())
    await make(kafka, "one", "two")
    await write(kafka, "one", (b"a", b"1"), (b"b", b"1"))
    await write(kafka, "two", (b"a", b"x"))
    file = tmp_path / "kept.db"
    kept = KeptTopics(file, ["one", "two"])
    settings = Settings(tmp_path, kafka=kafka, max_event_bytes=2_000_000)
    large = b"3" * 1_500_000
    await kept.begin(settings)
    await write(kafka, "one", (b"a", b"2"), (b"b", None), (b"c", large))

    for _ in range(2):  # what was written back is kept as well
        await wait_until(lambda: values(file) == [b"2", large, b"x"], 30)
        assert broker.child is not None
        os.kill(broker.child.pid, signal.SIGKILL)
        await broker.child.wait()
        await broker.start()
        await make(kafka, "one", "two")
        await kept.begin(settings)
        assert await latest(kafka, "one") == {b"a": b"2", b"c": large}
        assert await latest(kafka, "two") == {b"a": b"x"}
    await kept.stop()
    await broker.stop()
