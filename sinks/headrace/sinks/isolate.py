"""Find the values that a server refuses, in a batch that it refused as a whole."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from headrace.events.envelope import decode
from headrace.events.errors import EnvelopeError, Poison
from headrace.sinks.base import Refused

Insert = Callable[[list[bytes]], Awaitable[None]]
Numbered = list[tuple[int, bytes]]
"""Values with their index in the batch."""


async def isolate(values: Sequence[bytes], insert: Insert, refused: Refused) -> int:
    """Insert the values; where the server refuses, halve until the bad ones stand alone.

    Only the server judges, always on bytes that it is given: decoding here merely guesses whom to
    ask about first, so that a hundred bad lines cost a hundred requests and not a thousand.
    Returns how many landed. Passes on what ``insert`` raises other than :class:`Poison`.
    """
    if not values:
        return 0
    try:
        await insert(list(values))
    except Poison:
        return await _halve(list(enumerate(values)), insert, refused)
    return len(values)


async def _halve(bad: Numbered, insert: Insert, refused: Refused) -> int:
    """Split values that were refused together."""
    if len(bad) == 1:
        return await _one(bad[0], insert, refused)
    suspects, others = _sorted_out(bad)
    if suspects and others:
        landed = await _ask(others, insert, refused)
        for suspect in suspects:
            landed += await _one(suspect, insert, refused)
        return landed
    middle = len(bad) // 2
    first = await _ask(bad[:middle], insert, refused)
    return first + await _ask(bad[middle:], insert, refused)


async def _ask(part: Numbered, insert: Insert, refused: Refused) -> int:
    if len(part) == 1:
        return await _one(part[0], insert, refused)
    try:
        await insert([value for _, value in part])
    except Poison:
        return await _halve(part, insert, refused)
    return len(part)


async def _one(numbered: tuple[int, bytes], insert: Insert, refused: Refused) -> int:
    index, value = numbered
    try:
        await insert([value])
    except Poison as poison:
        refused(index, poison)
        return 0
    return 1


def _sorted_out(numbered: Numbered) -> tuple[Numbered, Numbered]:
    suspects: Numbered = []
    others: Numbered = []
    for pair in numbered:
        try:
            decode(pair[1])
        except EnvelopeError:
            suspects.append(pair)
        else:
            others.append(pair)
    return suspects, others
