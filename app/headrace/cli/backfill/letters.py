"""Dead letters of lines that are no events, as ``headrace dlq`` reads and sends them again.

A letter's place is in ``agent.events``, at an offset that no record reaches: it is made of the
line, its number and the file's first bytes, so that the same bad line of the same file, read again
or under another name, is the same letter.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from headrace.cli.backfill.convert import Bad
from headrace.cli.backfill.reading import Long
from headrace.events import topics
from headrace.events.errors import Poison
from headrace.events.settings import Settings
from headrace.streams import dead_letters as names

KEY: Final = b"backfill"
"""In place of the session, which a line that cannot be read does not say."""
PARTITION: Final = 0
BEYOND: Final = 1 << 62
"""Offsets from here on are no records'."""
REQUEST_MS: Final = 20_000
_NAME: Final = 200
"""Characters of a file's name in a reason."""


def place_of(bad: Bad, file: bytes) -> int:
    """Return the offset that names a bad line. ``file``: what names its file, whatever its path."""
    line = bad.line.sha256.encode() if isinstance(bad.line, Long) else bad.line.strip()
    digest = hashlib.sha256(b"%b\n%d\n%b" % (file, bad.number, line)).digest()
    return BEYOND | int.from_bytes(digest[:8], "big") >> 2


def letter(
    bad: Bad, *, name: str, file: bytes, settings: Settings
) -> tuple[bytes | None, list[tuple[str, bytes]]]:
    """Return the value and the headers of a line's letter.

    Where events are scrubbed nothing of the line is kept: what cannot be read cannot be scrubbed.
    """
    poison = Poison(
        f"line {bad.number} of {name[-_NAME:]}: {bad.reason}",
        topic=settings.topic(topics.EVENTS),
        partition=PARTITION,
        offset=place_of(bad, file),
    )
    headers = names.headers_of(poison, time.time())
    line, most = bad.line, settings.max_event_bytes
    value = line.head if isinstance(line, Long) else line
    size = line.size if isinstance(line, Long) else len(line)
    if settings.scrub is not None:
        digest = line.sha256 if isinstance(line, Long) else hashlib.sha256(line).hexdigest()
        headers += [(names.WHOLE, b"%d" % size), (names.SHA256, digest.encode())]
        return None, headers
    if size > min(most, len(value)):
        headers.append((names.WHOLE, b"%d" % size))
    return value[:most], headers


async def send(settings: Settings, letters: Sequence[tuple[bytes | None, Any]]) -> None:
    """Send letters; return when the brokers have them. Tries until they do: cancel to give up."""
    while True:
        producer = AIOKafkaProducer(
            **settings.need_kafka().client_kwargs(),
            acks="all",
            max_request_size=settings.max_event_bytes + 131_072,
            request_timeout_ms=REQUEST_MS,
        )
        try:
            await producer.start()
            queue = settings.topic(topics.DEAD_LETTERS)
            sent = [await producer.send(queue, v, KEY, headers=h) for v, h in letters]
            await asyncio.gather(*sent)
            return
        except (KafkaError, OSError, asyncio.TimeoutError):
            await asyncio.sleep(1.0)
        finally:
            await producer.stop()
