"""What compacted topics say, kept on disk: the embedded Kafka forgets, and a real one does not.

Alerts, silences, deliveries and orders to forget people live in such topics. They are followed into
a file, and written to the Kafka that comes next before any worker reads it. What was written in the
last instant before a Kafka died may be missing, as if its writer had died with it; where everything
stops in order, nothing is.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from headrace.events.errors import Retryable
from headrace.events.settings import KafkaSettings
from headrace.streams.backoff import Backoff
from headrace.streams.read_to import read_to
from headrace.streams.stop_consumer import stop_consumer

log = logging.getLogger(__name__)

POLL_MS: Final = 1000
END_SECONDS: Final = 5.0
"""For the last reading, when everything stops. Without it the last instant may be missing."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS kept (
    number INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT, key BLOB, value BLOB, UNIQUE (topic, key)
)
"""


class KeptTopics:
    """Keeps some topics of one partition each. For one loop; the file belongs to one stack."""

    def __init__(self, path: Path, topics: Sequence[str], record_bytes: int) -> None:
        """``record_bytes``: the largest record that the topics take."""
        self._path = path
        self._topics = tuple(topics)
        self._record_bytes = record_bytes
        self._kafka: KafkaSettings | None = None
        self._following: asyncio.Task[None] | None = None
        self._file: sqlite3.Connection | None = None

    async def begin(self, kafka: KafkaSettings) -> None:
        """Write what is kept to a Kafka that is new and has the topics; then follow them there.

        Raises KafkaError or OSError; sqlite3.Error where the file cannot be used.
        """
        await self.stop()
        self._file = self._opened()
        await self._write(kafka)
        self._kafka = kafka
        self._following = asyncio.create_task(self._follow(kafka), name="keep topics")

    async def end(self) -> None:
        """Keep all that was written, whose writers have ended, and follow no longer."""
        await self._stop_following()
        try:
            await asyncio.wait_for(self._keep_all(), END_SECONDS)
        except (KafkaError, OSError, Retryable, sqlite3.Error, asyncio.TimeoutError) as error:
            log.warning("the last alerts and silences may not be kept on disk: %r", error)
        await self.stop()

    async def stop(self) -> None:
        """Follow no longer. Safe to call twice."""
        await self._stop_following()
        self._kafka = None
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
            self._following = None

    def _opened(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)
        file = sqlite3.connect(self._path, check_same_thread=False)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = NORMAL")
        file.execute(_SCHEMA)
        return file

    async def _write(self, kafka: KafkaSettings) -> None:
        assert self._file is not None  # noqa: S101 - begin() opened it
        async with AIOKafkaProducer(
            **kafka.client_kwargs(), acks="all", max_request_size=self._record_bytes
        ) as producer:
            kept = self._file.execute("SELECT topic, key, value FROM kept ORDER BY number")
            sent = [
                await producer.send(topic, value, key, partition=0)
                for topic, key, value in kept
                if topic in self._topics
            ]
            await asyncio.gather(*sent)

    async def _follow(self, kafka: KafkaSettings) -> None:
        backoff, failing = Backoff(), False
        while True:
            try:
                await self._read(kafka)
            except (KafkaError, OSError, sqlite3.Error) as error:
                if not failing:
                    log.warning("alerts and silences are not kept on disk just now: %r", error)
                failing = True
            await asyncio.sleep(backoff.wait())

    async def _read(self, kafka: KafkaSettings) -> None:
        async with self._reading(kafka) as (consumer, _):
            while True:
                for batch in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    self._keep(batch)

    async def _keep_all(self) -> None:
        # Record by record: a Kafka that came back and has nothing yet takes nothing away.
        if self._kafka is not None:
            async with self._reading(self._kafka) as (consumer, places):
                ends = await consumer.end_offsets(places)
                self._keep([record async for record in read_to(consumer, ends)])

    @asynccontextmanager
    async def _reading(
        self, kafka: KafkaSettings
    ) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        consumer = AIOKafkaConsumer(
            **kafka.client_kwargs(), enable_auto_commit=False, auto_offset_reset="earliest"
        )
        try:
            await consumer.start()
            places = [TopicPartition(topic, 0) for topic in self._topics]
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            yield consumer, places
        finally:
            await stop_consumer(consumer)

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
