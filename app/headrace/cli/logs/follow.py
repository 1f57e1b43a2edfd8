"""Log records as they come, from Kafka: an offset can neither be missed nor read twice.

The archive would have to be asked by the time of arrival, and what lands late is missed then. So:
how far the archive has committed is looked up first, then what it has is read, and Kafka is read
from there on. What stands on both sides is the same identity, and is shown once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Final

from aiokafka import TopicPartition

from headrace.cli import kafka
from headrace.cli.logs.record import Record, of_event
from headrace.events import topics
from headrace.events.envelope import decode
from headrace.events.errors import EnvelopeError
from headrace.events.identity import Identity
from headrace.events.settings import Settings

ARCHIVE: Final = "archive"
POLL_MS: Final = 1_000
Scrub = Callable[[list[bytes]], list[bytes]]


async def archived_to(settings: Settings) -> dict[int, int]:
    """Return the offset of each partition of agent.logs before which all is archived."""
    lags = await kafka.lags(settings, ARCHIVE, topics.LOGS)
    return {lag.partition: lag.committed or 0 for lag in lags}


async def follow(
    settings: Settings, start: dict[int, int], seen: Collection[Identity], scrub: Scrub
) -> AsyncIterator[list[Record]]:
    """Yield the records of each fetch from ``start`` on, without those that were ``seen``."""
    async with kafka.consumer(settings) as client:
        partitions = await kafka.partitions_of(client, settings.topic(topics.LOGS))
        client.assign(partitions)
        first = await client.beginning_offsets(partitions)
        for place in partitions:
            client.seek(place, max(start.get(place.partition, 0), first[place]))
        while True:
            fetched = await client.getmany(timeout_ms=POLL_MS)
            yield [one for one in _records(fetched, scrub) if one.identity not in seen]


def _records(fetched: dict[TopicPartition, list[Any]], scrub: Scrub) -> list[Record]:
    """Return the records of a fetch: of a partition in its order, of several by their time."""
    found: list[Record] = []
    for batch in fetched.values():
        for value in scrub([record.value for record in batch if record.value]):
            try:
                record = of_event(decode(value))
            except EnvelopeError:  # the archive sets it aside: `headrace dlq list`
                continue
            if record is not None:
                found.append(record)
    if len(fetched) > 1:
        found.sort(key=lambda record: record.ts)
    return found


def scrubber(settings: Settings) -> Scrub:
    """Return what the archive does to values before it keeps them; nothing where it scrubs none."""
    if settings.scrub is None:
        return lambda values: values
    from headrace.streams import scrub  # noqa: PLC0415 - only where it is wanted

    scrub.need_extra()
    from headrace.streams.scrub.config import load  # noqa: PLC0415 - needs the extra

    rules = load(settings.scrub)

    def scrubbed(values: list[bytes]) -> list[bytes]:
        return [value for value in rules.scrub(values).values if value is not None]

    return scrubbed
