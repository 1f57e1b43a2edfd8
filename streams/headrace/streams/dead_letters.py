"""The dead-letter queue: what the archive set aside, and the way back.

A record of ``agent.events.dlq`` is the original key and value; its headers say why and where it
came from. A redriven one is followed by a marker: no value, the same source headers, and
``headrace.kind`` = ``redriven``. What is dead is therefore the first kind less the second,
deduplicated by source topic, partition and offset, whatever crashed in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from time import time
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError
from faust.exceptions import ProducerSendError

from headrace.events.errors import Poison
from headrace.streams.backoff import Backoff

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

SEND_SECONDS: Final = 30.0
"""A healthy cluster acknowledges in milliseconds, one that elects a leader in seconds."""

Headers = list[tuple[str, bytes]]


class DeadLetterWriter:
    """Sends refused records aside. For one task at a time."""

    def __init__(self, app: faust.App, topic: str) -> None:
        self._app = app
        self._topic = topic

    async def write(self, letters: Sequence[tuple[Any, Poison]]) -> None:
        """Send (record, why) pairs; return when the brokers have acknowledged all of them.

        Tries until it succeeds: the source must not be acknowledged before. Cancel to give up.
        """
        backoff = Backoff()
        while True:
            try:
                await asyncio.wait_for(self._send(letters), SEND_SECONDS)
                return
            except (ProducerSendError, KafkaError, asyncio.TimeoutError, OSError) as error:
                log.warning("dead letters could not be sent, trying again: %r", error)
                await asyncio.sleep(backoff.wait())

    async def _send(self, letters: Sequence[tuple[Any, Poison]]) -> None:
        sent = []
        for record, poison in letters:
            future = await self._app.producer.send(
                self._topic,
                record.key,
                record.value,
                None,
                None,
                headers_of(poison, failed_at=time()),
            )
            sent.append(future)
        await asyncio.gather(*sent)


def headers_of(poison: Poison, *, failed_at: float) -> Headers:
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
