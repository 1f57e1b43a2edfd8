"""What compacted topics say outlives the embedded Kafka."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from headrace.events.settings import KafkaSettings
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
    async with AIOKafkaProducer(**kafka.client_kwargs()) as producer:
        for key, value in records:
            await producer.send_and_wait(topic, value, key)


MOST = 3_000_000


def values(file: Path) -> list[bytes]:
    with closing(sqlite3.connect(file)) as kept:
        return [value for (value,) in kept.execute("SELECT value FROM kept ORDER BY value")]


async def test_a_client_does_not_outlive_its_kafka(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    kafka = KafkaSettings(await broker.start())
    await make(kafka, "one")
    await write(kafka, "one", (b"a", b"1"))
    kept = KeptTopics(tmp_path / "kept.db", ["one"], MOST)
    await kept.begin(kafka)
    await wait_until(lambda: values(tmp_path / "kept.db") == [b"1"], 30)
    await broker.stop()
    await kept.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_next_kafka_is_told_what_the_last_one_knew(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    kafka = KafkaSettings(await broker.start())
    await make(kafka, "one", "two")
    await write(kafka, "one", (b"a", b"1"), (b"b", b"1"))
    await write(kafka, "two", (b"a", b"x"))
    file = tmp_path / "kept.db"
    kept = KeptTopics(file, ["one", "two"], MOST)
    await kept.begin(kafka)
    await write(kafka, "one", (b"a", b"2"), (b"b", None), (b"c", b"3"))

    for _ in range(2):  # what was written back is kept as well
        await wait_until(lambda: values(file) == [b"2", b"3", b"x"], 30)
        assert broker.child is not None
        os.kill(broker.child.pid, signal.SIGKILL)
        await broker.child.wait()
        await broker.start()
        await make(kafka, "one", "two")
        await kept.begin(kafka)
        assert await latest(kafka, "one") == {b"a": b"2", b"c": b"3"}
        assert await latest(kafka, "two") == {b"a": b"x"}
    await kept.stop()
    await broker.stop()


async def test_the_last_words_are_kept_and_a_full_disk_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = EmbeddedKafka(tmp_path)
    kafka = KafkaSettings(await broker.start())
    await make(kafka, "one")
    file = tmp_path / "kept.db"
    kept = KeptTopics(file, ["one"], MOST)
    keep, full = kept._keep, [True, True]

    def fails_twice(records: Iterable[Any]) -> None:
        if full:
            full.pop()
            raise sqlite3.OperationalError("database or disk is full")
        keep(records)

    monkeypatch.setattr(kept, "_keep", fails_twice)
    await kept.begin(kafka)
    await write(kafka, "one", (b"a", b"1"), (b"b", b"2"))
    await wait_until(lambda: values(file) == [b"1", b"2"], 30)

    await kept._stop_following()  # as if what comes now came too late
    await write(kafka, "one", (b"a", None), (b"c", b"3"))
    await kept.end()
    assert values(file) == [b"2", b"3"]
    await broker.stop()


async def test_an_end_beside_a_kafka_that_has_nothing_yet_forgets_nothing(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    kafka = KafkaSettings(await broker.start())
    await make(kafka, "one")
    file = tmp_path / "kept.db"
    kept = KeptTopics(file, ["one"], MOST)
    await kept.begin(kafka)
    await write(kafka, "one", (b"a", b"1"))
    await wait_until(lambda: values(file) == [b"1"], 30)
    assert broker.child is not None
    os.kill(broker.child.pid, signal.SIGKILL)
    await broker.child.wait()
    await broker.start()
    await make(kafka, "one")
    await kept.end()
    assert values(file) == [b"1"]
    await broker.stop()


async def test_a_record_as_large_as_an_event_may_be_is_written_again(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    kafka = KafkaSettings(await broker.start())
    await make(kafka, "one")
    large = b"x" * 2_000_000
    kept = KeptTopics(tmp_path / "kept.db", ["one"], MOST)
    with closing(kept._opened()) as there, there:
        there.execute("INSERT INTO kept (topic, key, value) VALUES ('one', ?, ?)", (b"a", large))
    await kept.begin(kafka)
    assert await latest(kafka, "one") == {b"a": large}
    await kept.end()
    await broker.stop()
