"""The dead-letter queue: what the archive set aside, and the way back.

A record of ``agent.events.dlq`` is the original key and value; its headers say why and where it
came from. What is too long for the queue (a compressed record may hold far more than the topic's
limit) is cut, and ``headrace.whole`` says how long it was. Where events are scrubbed, the value is
the scrubbed one; of what could not be scrubbed only the length stands there, and
``headrace.sha256``. A redriven one is followed by a marker: no value, the same source headers, and
``headrace.kind`` = ``redriven``. What is dead is therefore the first kind less the second,
deduplicated by source topic, partition and offset, whatever crashed in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import time
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from faust.exceptions import ProducerSendError

from headrace.events.errors import Poison
from headrace.streams.backoff import Backoff
from headrace.streams.transport import RecordBatch

log = logging.getLogger(__name__)

KIND: Final = "headrace.kind"
KIND_DEAD: Final = b"dead"
KIND_REDRIVEN: Final = b"redriven"
REASON: Final = "headrace.reason"
CODE: Final = "headrace.code"
SOURCE_TOPIC: Final = "headrace.source_topic"
SOURCE_PARTITION: Final = "headrace.source_partition"
SOURCE_OFFSET: Final = "headrace.source_offset"
FAILED_AT: Final = "headrace.failed_at"
WHOLE: Final = "headrace.whole"
"""Bytes of the value, where only its beginning is kept, or nothing."""
SHA256: Final = "headrace.sha256"
"""Of the value in hexadecimal, where nothing of it is kept."""

MAX_KEY: Final = 32_768
"""Bytes kept of a key: half of what the queue has room for beside a value."""
SMALLEST: Final = 1_024
"""Bytes of a value below which a broker's limit is taken for a fault that passes."""

CHECK_FAILED: Final = 395
"""ClickHouse's code of the table's own checks."""

SEND_SECONDS: Final = 30.0
"""A healthy cluster acknowledges in milliseconds, one that elects a leader in seconds."""

Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is told of a value that must not be kept."""

    size: int
    """In bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused record on its way to the queue."""

    key: bytes | None
    value: bytes | None
    poison: Poison
    """With its place."""
    withheld: Withheld | None = None
    """In place of the value."""

    @classmethod
    def of(cls, batch: RecordBatch, record: Any, poison: Poison) -> DeadLetter:
        placed = Poison(
            poison.reason,
            topic=batch.topic,
            partition=batch.partition,
            offset=record.offset,
            code=poison.code,
        )
        return cls(record.key, record.value, placed)

    @property
    def kind(self) -> str:
        """A word for metrics: few, and nothing of the data."""
        code = self.poison.code
        if code is None:
            return "malformed"
        return "without_identity" if code == CHECK_FAILED else f"code_{code}"


class DeadLetterWriter:
    """Sends refused records aside, at most ``max_bytes`` of each value. For one task at a time."""

    def __init__(self, app: faust.App, topic: str, max_bytes: int) -> None:
        self._app = app
        self._topic = topic
        self._max_bytes = max_bytes

    async def write(self, letters: Sequence[DeadLetter]) -> None:
        """Send the letters; return when the brokers have acknowledged all of them.

        Tries until it succeeds: the source must not be acknowledged before. Cancel to give up.
        """
        backoff = Backoff()
        while True:
            try:
                await asyncio.wait_for(self._send(letters), SEND_SECONDS)
                return
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                # The queue's own limit is below ours. What never fits must not stop what follows.
                self._max_bytes = max(self._max_bytes // 2, SMALLEST)
                log.warning("the queue refuses a dead letter: keeping %d bytes", self._max_bytes)
                await asyncio.sleep(backoff.wait())
            except (ProducerSendError, KafkaError, asyncio.TimeoutError, OSError) as error:
                log.warning("dead letters could not be sent, trying again: %r", error)
                await asyncio.sleep(backoff.wait())

    async def _send(self, letters: Sequence[DeadLetter]) -> None:
        sent = []
        for letter in letters:
            key, value, headers = letter.key, letter.value, headers_of(letter.poison, time())
            if letter.withheld is not None:
                headers.append((WHOLE, str(letter.withheld.size).encode()))
                headers.append((SHA256, letter.withheld.sha256.encode()))
            if value is not None and len(value) > self._max_bytes:
                headers.append((WHOLE, str(len(value)).encode()))
                value = value[: self._max_bytes]
            if key is not None:
                key = key[:MAX_KEY]
            sent.append(await self._app.producer.send(self._topic, key, value, None, None, headers))
        await asyncio.gather(*sent)


def headers_of(poison: Poison, failed_at: float) -> Headers:
    """Build the headers of a dead letter (``failed_at``: seconds since 1970)."""
    code = [] if poison.code is None else [(CODE, str(poison.code).encode())]
    return [
        (KIND, KIND_DEAD),
        (REASON, poison.reason.encode()),
        *source_headers(poison.topic, poison.partition, poison.offset),
        (FAILED_AT, f"{failed_at:.3f}".encode()),
        *code,
    ]


def source_headers(topic: str, partition: int, offset: int) -> Headers:
    """Build the headers that name a record's place in its source topic."""
    return [
        (SOURCE_TOPIC, topic.encode()),
        (SOURCE_PARTITION, str(partition).encode()),
        (SOURCE_OFFSET, str(offset).encode()),
    ]
