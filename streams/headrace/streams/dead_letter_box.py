"""Reading the dead-letter queue, and sending letters back. For people and scripts, not workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from headrace.events import topics
from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import Settings
from headrace.streams import away
from headrace.streams import dead_letters as names
from headrace.streams.read_to import read_to
from headrace.streams.stop_consumer import stop_consumer

REQUEST_MS: Final = 20_000
_MOST: Final = 1 << 40
"""No time, code or length is as much."""

N = TypeVar("N", int, float)


class Place(NamedTuple):
    """Where a dead letter came from: what identifies it."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, as it stands in the queue."""

    place: Place
    reason: str
    code: int | None
    """ClickHouse's error code; None where the value was refused before it was sent."""
    failed_at: float
    """Seconds since 1970."""
    key: bytes | None
    size: int
    """Bytes of the value in the queue."""
    redriven: bool
    value: bytes | None = None
    """Only from :func:`with_values` and :func:`show`. Hostile: show it to a terminal only with its
    control characters made harmless."""
    whole_bytes: int | None = None
    """How long the value was, where only its beginning is here, or nothing."""
    sha256: str | None = None
    """Of the value, where the scrubber withheld it."""


class NoSuchLetterError(HeadraceError):
    """No dead letter came from there."""


class CutLetterError(HeadraceError):
    """Only the beginning of this letter was kept, or nothing."""


async def list_letters(settings: Settings, *, redriven: bool = False) -> list[Letter]:
    """Return the dead letters without their values, oldest first, each source record once.

    ``redriven`` adds those that were sent back. Raises :class:`Retryable` where Kafka is away.
    """
    dead: dict[Place, Letter] = {}
    sent_back: set[Place] = set()
    async for record in _records(settings):
        headers = _headers(record)
        place = _place(headers)
        if place is None:
            continue
        if headers.get(names.KIND) == names.KIND_REDRIVEN:
            sent_back.add(place)
        else:
            dead.setdefault(place, _letter(place, headers, record))
    letters = [replace(letter, redriven=letter.place in sent_back) for letter in dead.values()]
    return [letter for letter in letters if redriven or not letter.redriven]


async def with_values(
    settings: Settings, letters: Collection[Letter]
) -> AsyncGenerator[Letter, None]:
    """Yield letters with their values, which are read as they are asked for: a queue may be large.

    Raises :class:`Retryable` where Kafka is away.
    """
    wanted = {letter.place: letter for letter in letters}
    async with aclosing(_records(settings)) as records:
        async for record in records:
            if not wanted:
                return
            headers = _headers(record)
            place = _place(headers)
            redriven = headers.get(names.KIND) == names.KIND_REDRIVEN
            if place is not None and place in wanted and not redriven:
                yield replace(wanted.pop(place), value=record.value)


async def show(settings: Settings, place: Place) -> Letter:
    """Return one letter, redriven or not. Raises :class:`NoSuchLetterError`."""
    letters = await list_letters(settings, redriven=True)
    chosen = [letter for letter in letters if letter.place == place]
    async with aclosing(with_values(settings, chosen)) as found:
        async for letter in found:
            return letter
    raise NoSuchLetterError(f"no dead letter came from {place}: see `headrace dlq list`")


async def redrive(settings: Settings, places: Collection[Place] | None = None) -> list[Letter]:
    """Send letters back to the topic that they came from, with their key and value as they were.

    ``places``: which (default: all that are dead and whole). Returns those sent. A letter counts
    as dead until its marker stands in the queue, which is written after the source topic has
    acknowledged: a crash between the two sends it twice, and identity removes one. What is refused
    again is a new dead letter. Raises :class:`Retryable` where Kafka is away,
    :class:`NoSuchLetterError` where one of the places holds no dead letter,
    :class:`CutLetterError` where it does not hold all of one.
    """
    letters = await list_letters(settings)
    if places is not None:
        there = {letter.place for letter in letters}
        for place in places:
            if place not in there:
                raise NoSuchLetterError(f"no dead letter came from {place}: nothing was sent")
        letters = [letter for letter in letters if letter.place in set(places)]
        for letter in letters:
            if letter.whole_bytes is not None:
                why = (
                    "was too long to be kept"
                    if letter.sha256 is None
                    else "was withheld by the scrubber"
                )
                raise CutLetterError(f"{letter.place} {why}: nothing was sent")
    letters = [letter for letter in letters if letter.whole_bytes is None]
    queue = settings.topic(topics.DEAD_LETTERS)
    async with _producer(settings) as producer, aclosing(with_values(settings, letters)) as whole:
        async for letter in whole:
            await producer.send_and_wait(
                letter.place.topic, letter.value, letter.key, partition=letter.place.partition
            )
            marker = [(names.KIND, names.KIND_REDRIVEN), *names.source_headers(*letter.place)]
            await producer.send_and_wait(queue, None, key=letter.key, headers=marker)
    return letters


def _headers(record: Any) -> dict[str, bytes]:
    # What others wrote there may have any headers, and headers without a value.
    return {name: value or b"" for name, value in record.headers}


def _place(headers: dict[str, bytes]) -> Place | None:
    try:
        return Place(
            headers[names.SOURCE_TOPIC].decode(),
            int(headers[names.SOURCE_PARTITION]),
            int(headers[names.SOURCE_OFFSET]),
        )
    except (KeyError, ValueError):
        return None  # not written by us


def _letter(place: Place, headers: dict[str, bytes], record: Any) -> Letter:
    return Letter(
        place=place,
        reason=headers.get(names.REASON, b"").decode(errors="replace"),
        code=_number(headers.get(names.CODE)),
        failed_at=_number(headers.get(names.FAILED_AT), float) or 0.0,
        key=record.key,
        size=len(record.value or b""),
        redriven=False,
        whole_bytes=_number(headers.get(names.WHOLE)),
        sha256=headers[names.SHA256].decode(errors="replace") if names.SHA256 in headers else None,
    )


def _number(text: bytes | None, kind: Callable[[bytes], N] = int) -> N | None:
    try:
        number = kind(text or b"")
    except ValueError:
        return None
    return number if abs(number) < _MOST else None


async def _records(settings: Settings) -> AsyncGenerator[Any, None]:
    """Yield every record of the queue up to its end."""
    kafka = settings.need_kafka()
    topic = settings.topic(topics.DEAD_LETTERS)
    consumer = AIOKafkaConsumer(
        **kafka.client_kwargs(),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        request_timeout_ms=REQUEST_MS,
    )
    async with _reached(settings, consumer, partial(stop_consumer, consumer)):
        # partitions_for_topic() knows only topics that the client already reads.
        metadata: Any = await consumer._client.fetch_all_metadata()  # noqa: SLF001
        numbers = sorted(metadata.partitions_for_topic(topic) or ())
        if not numbers:
            raise HeadraceError(f"no topic {topic}: run `headrace topics apply`")
        partitions = [TopicPartition(topic, number) for number in numbers]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        async for record in read_to(consumer, await consumer.end_offsets(partitions)):
            yield record


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        **settings.need_kafka().client_kwargs(),
        acks="all",
        max_request_size=settings.max_event_bytes + 131_072,
        request_timeout_ms=REQUEST_MS,
    )
    async with _reached(settings, producer, producer.stop):
        yield producer


@asynccontextmanager
async def _reached(
    settings: Settings, client: Any, stop: Callable[[], Awaitable[None]]
) -> AsyncIterator[None]:
    try:
        await asyncio.wait_for(client.start(), REQUEST_MS / 1000)
        yield
    except (KafkaError, OSError, asyncio.TimeoutError) as error:
        raise Retryable(away.explain(settings.need_kafka(), error)) from None
    finally:
        await stop()
