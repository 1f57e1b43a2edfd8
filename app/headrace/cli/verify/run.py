"""Verify: look into every place, downstream last, and set what was found against each other.

Events move spool, Kafka, archive (or dead letters). Places are read in that direction, so that an
event that moves while we look is seen once at least; seen twice is the same identity.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from headrace.cli import kafka
from headrace.cli.archive import Archive, connect
from headrace.cli.verify import ranges
from headrace.cli.verify.accounting import (
    Account,
    EpochId,
    Found,
    State,
    Totals,
    account,
    total,
)
from headrace.cli.verify.erased import ErasedEpochs, read_erased
from headrace.cli.verify.places import Sightings, look_in_spool, see_records
from headrace.cli.verify.queries import (
    Corruption,
    Scope,
    read_corruption,
    read_epochs,
    with_end_totals,
)
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams.dead_letter_box import list_letters, with_values

ARCHIVE: str = "archive"
NUMBERED: Final = (topics.EVENTS, topics.LOGS)
"""Topics whose records are numbered, and all accounted for."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What was seen outside the archive."""

    spool: Sightings = field(default_factory=Sightings)
    kafka: Sightings = field(default_factory=Sightings)
    dead: Sightings = field(default_factory=Sightings)

    def epochs(self) -> set[EpochId]:
        return {*self.spool.numbers, *self.kafka.numbers, *self.dead.numbers}

    @property
    def unread(self) -> int:
        return self.spool.unread + self.kafka.unread + self.dead.unread


@dataclass(frozen=True, slots=True)
class Verdict:
    """The accounting of everything in scope."""

    totals: Totals
    wanting: tuple[Account, ...]
    """Accounts that a person should see: something is missing, misfits, or never ended."""
    corrupt: tuple[Corruption, ...]
    nameless: int
    """Dead letters that are no events of ours."""
    unread: int
    """In flight beyond what was looked at: each may be one of the missing."""

    @property
    def adds_up(self) -> bool:
        broken = any(one.after_end for one in self.wanting)
        return self.totals.missing <= self.unread and not self.corrupt and not broken


def verify(settings: Settings, scope: Scope, *, clock: Callable[[], float] = time.time) -> Verdict:
    """Account for every event in scope. Raises HeadraceError where a place cannot be read."""
    elsewhere = asyncio.run(look_elsewhere(settings))
    with connect(settings) as archive:
        return judge(archive, elsewhere, scope, now=clock())


async def look_elsewhere(settings: Settings) -> Elsewhere:
    """Look into the spool, the dead letters and Kafka."""
    spool = look_in_spool(settings.spool)
    flying, dead = await asyncio.gather(_look_at_kafka(settings), _look_at_letters(settings))
    return Elsewhere(spool, flying, dead)


async def _look_at_kafka(settings: Settings) -> Sightings:
    async def values() -> AsyncIterator[bytes | None]:
        for topic in NUMBERED:
            async for record in kafka.read_in_flight(settings, ARCHIVE, topic):
                yield record.value

    return await see_records(values())


async def _look_at_letters(settings: Settings) -> Sightings:
    numbered = {settings.topic(topic) for topic in NUMBERED}
    letters = [one for one in await list_letters(settings) if one.place.topic in numbered]
    whole = with_values(settings, letters)
    return await see_records(letter.value async for letter in whole)


def judge(archive: Archive, elsewhere: Elsewhere, scope: Scope, *, now: float) -> Verdict:
    """Set the archive against what was seen elsewhere."""
    accounts: list[Account] = []
    erased = read_erased(archive, scope)
    for found in _everywhere(read_epochs(archive, scope), elsewhere, erased, scope):
        one = account(found, now=now)
        if one.missing and found.end:
            one = account(with_end_totals(archive, found), now=now)
        accounts.append(one)
    return Verdict(
        totals=total(accounts),
        wanting=tuple(one for one in accounts if _wanting(one)),
        corrupt=tuple(read_corruption(archive, scope)),
        nameless=elsewhere.dead.nameless,
        unread=elsewhere.unread,
    )


def _everywhere(
    archived: Iterable[Found], elsewhere: Elsewhere, erased: ErasedEpochs, scope: Scope
) -> Iterator[Found]:
    """Yield every epoch that was found anywhere, once, with all that was found of it."""
    for found in _recorded(archived, elsewhere, scope):
        yield erased.joined(found)
    yield from erased.others()


def _recorded(archived: Iterable[Found], elsewhere: Elsewhere, scope: Scope) -> Iterator[Found]:
    """Yield the epochs that are still there under the names of their sessions."""
    others = {epoch for epoch in elsewhere.epochs() if scope.covers(epoch)}
    for found in archived:
        if found.id in others:
            others.discard(found.id)
            yield _joined(found, elsewhere)
        else:
            yield found
    for epoch in sorted(others):
        nothing = Found(id=epoch, archived=0, highest=0, holes=(), last_ts=0.0)
        yield _joined(nothing, elsewhere)


def _joined(found: Found, elsewhere: Elsewhere) -> Found:
    places = (elsewhere.spool, elsewhere.kafka, elsewhere.dead)
    end = max([found.end or 0, *(place.ends.get(found.id, 0) for place in places)])
    heard = max([found.last_ts, *(place.heard.get(found.id, 0.0) for place in places)])
    flying = (*elsewhere.spool.ranges(found.id), *elsewhere.kafka.ranges(found.id))
    return replace(
        found,
        end=end or None,
        last_ts=heard,
        dead=elsewhere.dead.ranges(found.id),
        in_flight=ranges.normalize(flying),
    )


def _wanting(one: Account) -> bool:
    return not one.adds_up or bool(one.misfits) or one.state is State.TAIL_UNKNOWN
