"""What compacted topics say, kept on disk: the embedded Kafka forgets, and a real one does not.

Alerts, silences and deliveries live in such topics. They are followed into a file, and written to
the Kafka that comes next before any worker reads it. What was written in the last instant before a
Kafka died may be missing, as if its writer had died with it.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from headrace.events.settings import KafkaSettings, Settings
from headrace.streams.producer import start_producer

log = logging.getLogger(__name__)

POLL_MS: Final = 1000

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, key BLOB, value BLOB, UNIQUE (topic, key)
)
"""


class KeptTopics:
    """Keeps some topics of one partition each. For one loop; the file belongs to one stack."""

    def __init__(self, path: Path, topics: Sequence[str]) -> None:
        self._path = path
        self._topics = tuple(topics)
        self._following: asyncio.Task[None] | None = None
        self._file: sqlite3.Connection | None = None

    async def begin(self, settings: Settings) -> None:
        """Write what is kept to a Kafka that is new and has the topics; then follow them there.

        Raises KafkaError or OSError; sqlite3.Error where the file cannot be used.
        """
        await self.stop()
        self._file = self._opened()
        await self._write(settings)
        following = self._follow(settings.need_kafka())
        self._following = asyncio.create_task(following, name="keep topics")

    async def stop(self) -> None:
        """Follow no longer. Safe to call twice."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
            self._following = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        file = sqlite3.connect(self._path, check_same_thread=False)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute(_SCHEMA)
        return file

    async def _write(self, settings: Settings) -> None:
        assert self._file is not None  # noqa: S101 - begin() opened it
        producer = await start_producer(settings, "kept-topics")
        try:
            kept = self._file.execute("SELECT topic, key, value FROM kept ORDER BY number")
            sent = [
                await producer.send(topic, value, key, partition=0)
                for topic, key, value in kept
                if topic in self._topics
            ]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    async def _follow(self, kafka: KafkaSettings) -> None:
        consumer = AIOKafkaConsumer(
            **kafka.client_kwargs(), enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            places = [TopicPartition(topic, 0) for topic in self._topics]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            while True:
                for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    self._keep(batch)
        except (KafkaError, OSError, sqlite3.Error) as error:
            # Kafka is away, and the one that comes next begins anew.
            log.warning("alerts and silences are not kept on disk any more: %r", error)
        finally:
            await consumer.stop()

    def _keep(self, records: Iterable[Any]) -> None:
        assert self._file is not None  # noqa: S101 - begin() opened it
        with self._file:
            for record in records:
                self._file.execute(
                    "DELETE FROM kept WHERE topic = ? AND key = ?", (record.topic, record.key)
                )
                if record.value is not None:
                    self._file.execute(
                        "INSERT INTO kept (topic, key, value) VALUES (?, ?, ?)",
                        (record.topic, record.key, record.value),
                    )
