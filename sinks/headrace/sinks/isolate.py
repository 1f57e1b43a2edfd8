"""Find the records that a server refuses, in a batch that it refused as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from headrace.events.envelope import decode
from headrace.events.errors import EnvelopeError, Poison
from headrace.sinks.base import Refused, SourceRecord

Insert = Callable[[Sequence[SourceRecord]], Awaitable[None]]


async def isolate(records: Sequence[SourceRecord], insert: Insert, refused: Refused) -> int:
    """Insert the records; where the server refuses, halve until the bad ones stand alone.

    Only the server judges, always on bytes that it is given: decoding here merely guesses whom to
    ask about first, so that a hundred bad lines cost a hundred requests and not a thousand.
    Returns how many landed. Passes on what ``insert`` raises other than :class:`Poison`.
    """
    if not records:
        return 0
    try:
        await insert(records)
    except Poison as poison:
        if len(records) == 1:
            refused(_at(records[0], poison))
            return 0
    else:
        return len(records)
    suspects, others = _sorted_out(records)
    if suspects and others:
        return await isolate(others, insert, refused) + await _each(suspects, insert, refused)
    middle = len(records) // 2
    return await isolate(records[:middle], insert, refused) + await isolate(
        records[middle:], insert, refused
    )


async def _each(records: Sequence[SourceRecord], insert: Insert, refused: Refused) -> int:
    landed = 0
    for record in records:
        landed += await isolate([record], insert, refused)
    return landed


def _sorted_out(
    records: Sequence[SourceRecord],
) -> tuple[list[SourceRecord], list[SourceRecord]]:
    suspects: list[SourceRecord] = []
    others: list[SourceRecord] = []
    for record in records:
        try:
            decode(record.value or b"")
        except EnvelopeError:
            suspects.append(record)
        else:
            others.append(record)
    return suspects, others


def _at(record: SourceRecord, poison: Poison) -> Poison:
    return Poison(
        poison.reason,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        code=poison.code,
    )
