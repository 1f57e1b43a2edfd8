"""Where the state of a partition is kept, so that another worker goes on from it.

A saved state is plain data with the incarnation of the log that it was read from. Saving is all or
nothing: a state that was half written is never read.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from headrace.events.settings import KafkaSettings
from headrace.streams.read_to import read_to
from headrace.streams.stop_consumer import stop_consumer

CHUNK_BYTES: Final = 512 * 1024
"""A record's share of a state: well below what every broker takes."""


class States(Protocol):
    """Keeps the states of a topic's partitions. For one loop."""

    async def load(self, partition: int) -> dict[str, Any] | None:
        """Return what was last saved of a partition, None where nothing was.

        Raises KafkaError, OSError or Retryable where that cannot be known now.
        """
        ...

    async def save(self, partition: int, content: bytes) -> None:
        """Save a state, encoded as JSON. Raises KafkaError or OSError."""
        ...


class FileStates:
    """A file a partition: for a local stack, whose Kafka forgets."""

    def __init__(self, directory: Path, name: str) -> None:
        """``name``: of the processor, which begins the files' names."""
        self._directory = directory
        self._name = name

    def _path(self, partition: int) -> Path:
        return self._directory / f"{self._name}-{partition}.state"

    async def load(self, partition: int) -> dict[str, Any] | None:
        return await asyncio.to_thread(self._load, self._path(partition))

    @staticmethod
    def _load(path: Path) -> dict[str, Any] | None:
        try:
            return _unpacked(path.read_bytes())
        except FileNotFoundError:
            return None

    async def save(self, partition: int, content: bytes) -> None:
        await asyncio.to_thread(self._save, self._path(partition), content)

    def _save(self, path: Path, content: bytes) -> None:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(_packed(content))
                file.flush()
                os.fsync(fd)  # or its name may be durable before it is
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise


class KafkaStates:
    """A compacted topic, its partitions those of the source.

    A state is cut into records ``writer/slot/number``; ``writer/head``, which comes behind them,
    names the slot, how many there are, and their SHA-256. A writer uses two slots in turn, so the
    one before is whole while the next is written; and its own names, so that a zombie spoils none.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, producer: AIOKafkaProducer) -> None:
        self._kafka = kafka
        self._topic = topic
        self._producer = producer
        self._writer = secrets.token_hex(4)
        self._slot: dict[int, int] = {}
        self._others: dict[int, set[bytes]] = {}

    async def load(self, partition: int) -> dict[str, Any] | None:
        consumer = AIOKafkaConsumer(
            **self._kafka.client_kwargs(), enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            tp = TopicPartition(self._topic, partition)
            consumer.assign([tp])
            ends = await consumer.end_offsets([tp])
            await consumer.seek_to_beginning(tp)
            found, keys = _Reader(), set[bytes]()
            async for record in read_to(consumer, ends):
                found.take(record.key, record.value)
                (keys.add if record.value is not None else keys.discard)(record.key)
        finally:
            await stop_consumer(consumer)
        own = f"{self._writer}/".encode()
        self._others[partition] = {key for key in keys if not key.startswith(own)}
        return await asyncio.to_thread(_unpacked, found.last) if found.last else None

    async def save(self, partition: int, content: bytes) -> None:
        packed = await asyncio.to_thread(_packed, content)
        slot = self._slot[partition] = 1 - self._slot.get(partition, 1)
        chunks = [packed[at : at + CHUNK_BYTES] for at in range(0, len(packed), CHUNK_BYTES)]
        head = {
            "slot": slot,
            "chunks": len(chunks),
            "sha256": hashlib.sha256(packed).hexdigest(),
        }
        records: list[tuple[str, bytes]] = [
            *((f"{self._writer}/{slot}/{n}", chunk) for n, chunk in enumerate(chunks)),
            (f"{self._writer}/head", orjson.dumps(head)),
        ]
        await self._send(partition, ((key.encode(), value) for key, value in records))
        # What other writers left is behind this one now: let the compaction take it away.
        others = self._others.pop(partition, set())
        await self._send(partition, ((key, None) for key in sorted(others)))

    async def _send(self, partition: int, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        sent = [
            await self._producer.send(self._topic, value, key, partition) for key, value in records
        ]
        await asyncio.gather(*sent)


class _Reader:
    """Puts states together again; ``last`` is the last whole one."""

    def __init__(self) -> None:
        self._chunks: dict[bytes, bytes] = {}
        self.last: bytes | None = None

    def take(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self._chunks.pop(key, None)
        elif key.endswith(b"/head"):
            self._head(key.partition(b"/")[0], orjson.loads(value))
        else:
            self._chunks[key] = value

    def _head(self, writer: bytes, head: dict[str, Any]) -> None:
        names = (b"%b/%d/%d" % (writer, head["slot"], n) for n in range(head["chunks"]))
        whole = b"".join(self._chunks.get(name, b"") for name in names)
        if hashlib.sha256(whole).hexdigest() == head["sha256"]:
            self.last = whole


def _packed(content: bytes) -> bytes:
    return zlib.compress(content, 1)


def _unpacked(packed: bytes) -> dict[str, Any]:
    state: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    return state
