"""Who tells: the last that claimed it in the log of deliveries.

A worker that was away too long goes on before it hears that another has its partition. What a log
says in its order, all agree on: a claim is a record there, and who leads writes another one before
it tells, and reads on to that. Whoever finds a later claim before it tells nothing. The records
have no value, so that compaction takes them and nobody else reads them.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from headrace.events.errors import HeadraceError

KEY: Final = b"lead/"
READ_SECONDS: Final = 10.0
"""Until a record that was written is read again. Kafka is in trouble beyond that."""


class LeadLostError(HeadraceError):
    """Another worker has claimed what this one does."""


class Lead:
    """For one loop. A follower of the topic feeds it."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer = producer
        self._topic = topic
        self._claim = KEY + uuid4().hex.encode()
        self._check = self._claim + b"/check"
        self._leads = b""
        """The claim of who leads."""
        self._read = -1
        """The last offset that was read."""
        self._news = asyncio.Event()

    def take(self, message: Any) -> None:
        """Look at a record of the topic: each one, in order; again after Kafka was away."""
        if message.offset <= self._read:
            return
        self._read = message.offset
        key = message.key or b""
        if key.startswith(KEY) and not key.endswith(b"/check"):
            self._leads = key
        self._news.set()

    async def claim(self) -> None:
        """Lead from now on; what others wrote before has been read then.

        Raises KafkaError, OSError, asyncio.TimeoutError or :class:`LeadLostError`.
        """
        await self._write(self._claim)

    async def need(self) -> None:
        """Raise :class:`LeadLostError` unless this one led when it was asked; others as above."""
        await self._write(self._check)

    async def _write(self, key: bytes) -> None:
        sent = await self._producer.send_and_wait(self._topic, None, key)
        await asyncio.wait_for(self._read_to(sent.offset), READ_SECONDS)
        if self._leads != self._claim:
            raise LeadLostError("another worker has the log of alerts")

    async def _read_to(self, offset: int) -> None:
        while self._read < offset:
            self._news.clear()
            await self._news.wait()
