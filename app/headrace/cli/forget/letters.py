"""A person's dead letters: the queue is written anew without them, then cut off before that.

Kafka deletes a partition's records up to an offset, and nothing else. So what is another's is
appended again, as it was; the dead letter's place in its source tells that it is the same. Killed
in between, the queue has letters twice, which its readers see through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from headrace.cli import kafka
from headrace.cli.faults import CommandError
from headrace.cli.text import one_line
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams import away
from headrace.streams import dead_letters as names
from headrace.streams.erasure.ledger import Lines, lines_of, telling
from headrace.streams.erasure.order import Order
from headrace.streams.erasure.owner import Owner, owner_of
from headrace.streams.producer import start_producer
from headrace.streams.read_to import read_to

REQUEST_MS: Final = 30_000


@dataclass(slots=True)
class Letters:
    """What the queue holds of a person."""

    theirs: int = 0
    """Letters."""
    found: list[tuple[Order, Owner, bytes]] = field(default_factory=list)

    def ledger(self) -> Lines:
        return lines_of(self.found)


async def look(settings: Settings, order: Order) -> Letters:
    """Find a person's dead letters. Changes nothing."""
    letters = Letters()
    numbered = {settings.topic(one).encode() for one in (topics.EVENTS, topics.LOGS)}
    async for record in _records(settings):
        owner = _theirs(order, record)
        if owner is None:
            continue
        letters.theirs += bool(record.value)
        if dict(record.headers).get(names.SOURCE_TOPIC) in numbered:
            letters.found.append((order, owner, telling(owner, record.value or b"")))
    return letters


async def rewrite(settings: Settings, order: Order) -> None:
    """Write the queue anew without a person's letters. Raises CommandError."""
    queue = settings.topic(topics.DEAD_LETTERS)
    producer = await start_producer(settings, "forget")
    try:
        ends: dict[TopicPartition, int] = {}
        async for record in _records(settings):
            place = TopicPartition(queue, record.partition)
            ends[place] = max(ends.get(place, 0), record.offset + 1)
            if _theirs(order, record) is None:
                await producer.send(
                    queue,
                    record.value,
                    record.key,
                    partition=record.partition,
                    timestamp_ms=record.timestamp,
                    headers=list(record.headers),
                )
        await producer.flush()
        await _cut_off(settings, ends)
    except (KafkaError, OSError) as error:
        raise CommandError(one_line(away.explain(settings.need_kafka(), error))) from None
    finally:
        await producer.stop()


def _theirs(order: Order, record: Any) -> Owner | None:
    owner = owner_of(record.value) if record.value else None
    if owner is not None:
        covered = owner.tenant == order.tenant and order.covers(owner.session, owner.user)
        return owner if covered else None
    # A marker, or what cannot be read: all that is known is its key, which is a session's name.
    session = (record.key or b"").decode(errors="replace")
    return Owner(order.tenant, session, None) if order.covers(session, None) else None


async def _records(settings: Settings) -> AsyncIterator[Any]:
    async with kafka.consumer(settings) as client:
        places = await kafka.partitions_of(client, settings.topic(topics.DEAD_LETTERS))
        async for record in _all(client, places):
            yield record


async def _all(client: AIOKafkaConsumer, places: list[TopicPartition]) -> AsyncIterator[Any]:
    client.assign(places)
    await client.seek_to_beginning(*places)
    async for record in read_to(client, await client.end_offsets(places)):
        yield record


async def _cut_off(settings: Settings, ends: dict[TopicPartition, int]) -> None:
    admin = AIOKafkaAdminClient(
        **settings.need_kafka().client_kwargs(), request_timeout_ms=REQUEST_MS
    )
    try:
        await admin.start()
        cut = {place: RecordsToDelete(before_offset=end) for place, end in ends.items()}
        await admin.delete_records(cut)
    finally:
        await admin.close()
