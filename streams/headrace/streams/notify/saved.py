"""What the worker of ``notify`` goes on from, in agent.alerts.state.

A state is cut into records ``notify/epoch/save/number``; ``notify/epoch/head``, which comes behind
them, names the save, how many there are, and their SHA-256. No record of a state is ever written
over, so that the last whole one stays whole. Whoever loads takes the next epoch, and the highest
epoch counts: what a worker saves that only thinks it has the partition is passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaProducer

from headrace.events.settings import KafkaSettings
from headrace.streams.compacted import latest

NAME: Final = b"notify/"


class SavedState:
    """One writer. For one task of one loop."""

    def __init__(
        self, kafka: KafkaSettings, topic: str, producer: AIOKafkaProducer, chunk_bytes: int
    ) -> None:
        """``chunk_bytes``: a record's share of a state."""
        self._kafka = kafka
        self._topic = topic
        self._producer = producer
        self._chunk_bytes = chunk_bytes
        self._epoch = 1
        self._saves = 0
        self._stale: list[bytes] = []
        """Keys that nobody needs once the next state is saved."""

    async def load(self) -> dict[str, Any] | None:
        """Return the last whole state, None where there is none.

        Raises KafkaError, OSError or Retryable where that cannot be known now.
        """
        found = await latest(self._kafka, self._topic)
        records = {key: value for key, value in found.items() if key.startswith(NAME)}
        heads = {key: value for key, value in records.items() if key.endswith(b"/head")}
        ranked = sorted(heads, key=_epoch_of, reverse=True)
        self._epoch = 1 + max(map(_epoch_of, records), default=0)
        self._stale = list(records)
        for key in ranked:
            whole = _whole(records, key, orjson.loads(heads[key]))
            if whole is not None:
                return await asyncio.to_thread(_unpacked, whole)
        return None

    async def save(self, content: bytes) -> None:
        """Save a state, encoded as JSON. Raises KafkaError or OSError."""
        packed = await asyncio.to_thread(zlib.compress, content, 1)
        self._saves += 1
        prefix = NAME + b"%d/" % self._epoch
        cuts = range(0, len(packed), self._chunk_bytes)
        keys = [prefix + b"%d/%d" % (self._saves, n) for n in range(len(cuts))]
        head = orjson.dumps(
            {"save": self._saves, "chunks": len(keys), "sha256": _digest(packed)},
        )
        stale, self._stale = self._stale, [*self._stale, *keys]
        chunks = [packed[at : at + self._chunk_bytes] for at in cuts]
        await self._send([*zip(keys, chunks, strict=True), (prefix + b"head", head)])
        await self._send((key, None) for key in stale)
        self._stale = keys

    async def _send(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        sent = [await self._producer.send(self._topic, value, key) for key, value in records]
        await asyncio.gather(*sent)


def _epoch_of(key: bytes) -> int:
    return int(key.split(b"/")[1])


def _whole(records: Mapping[bytes, bytes], head: bytes, said: dict[str, Any]) -> bytes | None:
    prefix = head.removesuffix(b"head") + b"%d/" % said["save"]
    whole = b"".join(records.get(prefix + b"%d" % n, b"") for n in range(said["chunks"]))
    return whole if _digest(whole) == said["sha256"] else None


def _digest(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()


def _unpacked(packed: bytes) -> dict[str, Any]:
    state: dict[str, Any] = orjson.loads(zlib.decompress(packed))
    return state
