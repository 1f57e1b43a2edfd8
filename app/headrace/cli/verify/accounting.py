"""Account for the events of each epoch: pure functions over what was found where.

accepted = archived + expired + erased + dead-lettered + dropped by reason + in flight + missing,
always, for each epoch and so for the whole. ``missing`` is what nobody can explain. Identity
decides: a dead letter that was sent again and archived counts as archived and as nothing else, and
what was erased counts as erased wherever it was before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from headrace.cli.verify import ranges
from headrace.cli.verify.ranges import Ranges

OPEN_SECONDS: Final = 7_200.0
"""An epoch without its end marker that was heard of within this is open, not cut off. The hook
itself ends an epoch that was idle for an hour."""


class EpochId(NamedTuple):
    """One epoch: the numbering of one session by one process."""

    tenant: str
    session: str
    epoch: str


class State(str, Enum):
    """What is known about an epoch's end."""

    CLOSED = "closed"
    """Its end marker is known: the last number is certain."""
    OPEN = "open"
    """No end marker, but heard of lately: more may come."""
    TAIL_UNKNOWN = "tail unknown"
    """No end marker, and silent: what came after the last known event cannot be told."""


@dataclass(frozen=True, slots=True)
class Told:
    """A ``headrace.dropped`` event: ``count`` numbers within ``first..last`` were given up."""

    first: int
    last: int
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of one epoch, place by place. Numbers run from 1."""

    id: EpochId
    archived: int
    """Distinct numbers that the archive ever held."""
    highest: int
    """The highest number in the archive, 0 for none."""
    holes: Ranges
    """What the archive lacks of 1..highest."""
    last_ts: float
    """When it was last heard of, seconds since 1970."""
    gone: int = 0
    """How many of ``archived`` are no longer there."""
    may_expire: float | None = None
    """From when on retention may have taken rows of it, seconds since 1970. None: never."""
    end: int | None = None
    """The number of the end marker, wherever that was found."""
    end_dropped: Mapping[str, int] = field(default_factory=dict)
    """What the end marker says was dropped over the epoch's life, by reason."""
    told: tuple[Told, ...] = ()
    erased: Ranges = ()
    """Numbers that were erased because a person asked to be forgotten."""
    dead: Ranges = ()
    """Numbers among the dead letters."""
    in_flight: Ranges = ()
    """Numbers seen in Kafka behind the archive's commit, or in a spool."""


class Misfit(NamedTuple):
    """Told drops that do not match the hole they are about."""

    first: int
    last: int
    told: int
    lacking: int
    """Numbers of first..last that are nowhere."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the events of one epoch are. The seven parts sum to ``accepted``."""

    id: EpochId
    state: State
    accepted: int
    archived: int
    expired: int
    erased: int
    dead_lettered: int
    dropped: Mapping[str, int]
    in_flight: int
    missing: int
    missing_ranges: Ranges
    """Where the missing ones lie. Wider than ``missing`` where told drops share the range."""
    lost: int
    """How many of the missing were archived once, and are gone before retention takes any."""
    misfits: tuple[Misfit, ...]
    after_end: int
    """Numbers above the end marker's: the numbering was broken."""

    @property
    def adds_up(self) -> bool:
        return self.missing == 0 and self.after_end == 0


def account(found: Found, *, now: float) -> Account:
    """Account for one epoch."""
    told_ranges = ranges.normalize((told.first, told.last) for told in found.told)
    seen = [found.highest, found.end or 0]
    seen += [pair[1] for places in _elsewhere(found, told_ranges) for pair in places]
    accepted = max(seen)
    gaps = ranges.normalize((*found.holes, (found.highest + 1, accepted)))
    erased = ranges.normalize(found.erased)
    # The archive's ledger may still count what was in a session that others share.
    counted_twice = ranges.size(ranges.subtract(erased, gaps))
    gaps = ranges.subtract(gaps, erased)
    # A dead letter can stand in Kafka before the offset that it came from is committed.
    dead = ranges.intersect(gaps, ranges.normalize(found.dead))
    gaps = ranges.subtract(gaps, dead)
    in_flight = ranges.intersect(gaps, ranges.normalize(found.in_flight))
    gaps = ranges.subtract(gaps, in_flight)
    dropped, missing, missing_ranges, misfits = _explain(gaps, told_ranges, found)
    gone = max(0, found.gone - counted_twice)
    expired = gone if found.may_expire is not None and found.may_expire <= now else 0
    return Account(
        id=found.id,
        state=_state(found, now),
        accepted=accepted,
        archived=found.archived - counted_twice - gone,
        expired=expired,
        erased=ranges.size(erased),
        dead_lettered=ranges.size(dead),
        dropped=dict(dropped),
        in_flight=ranges.size(in_flight),
        missing=missing + gone - expired,
        missing_ranges=missing_ranges,
        lost=gone - expired,
        misfits=misfits,
        after_end=0 if found.end is None else accepted - found.end,
    )


def _elsewhere(found: Found, told: Ranges) -> tuple[Ranges, ...]:
    return found.erased, found.dead, found.in_flight, told


def _explain(
    gaps: Ranges, told_ranges: Ranges, found: Found
) -> tuple[Counter[str], int, Ranges, tuple[Misfit, ...]]:
    """Set the gaps against what the stream tells of its drops."""
    dropped: Counter[str] = Counter()
    misfits: list[Misfit] = []
    missing_ranges = list(ranges.subtract(gaps, told_ranges))
    missing = ranges.size(tuple(missing_ranges))
    for first, last in told_ranges:
        inside = ranges.intersect(gaps, ((first, last),))
        lacking = ranges.size(inside)
        told = [told for told in found.told if first <= told.first <= last]
        count = sum(one.count for one in told)
        dropped += _shared_out(lacking, told)
        if lacking != count:
            misfits.append(Misfit(first, last, count, lacking))
        if lacking > count:
            missing += lacking - count
            missing_ranges.extend(inside)
    # A hole can have swallowed the very event that told of it: the end marker's totals remain.
    untold = Counter(dict(found.end_dropped)) - Counter(_told_by_reason(found.told))
    for reason, count in sorted(untold.items()):
        explained = min(count, missing)
        dropped[reason] += explained
        missing -= explained
    if missing == 0:
        missing_ranges = []
    return +dropped, missing, ranges.normalize(missing_ranges), tuple(misfits)


def _shared_out(lacking: int, told: Iterable[Told]) -> Counter[str]:
    """Count drops by reason, no more of them than numbers are lacking."""
    shared: Counter[str] = Counter()
    for one in told:
        part = min(one.count, lacking)
        shared[one.reason] += part
        lacking -= part
    return shared


def _told_by_reason(told: Iterable[Told]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for one in told:
        counted[one.reason] += one.count
    return counted


def _state(found: Found, now: float) -> State:
    if found.end is not None:
        return State.CLOSED
    return State.OPEN if now - found.last_ts <= OPEN_SECONDS else State.TAIL_UNKNOWN


_COUNTS: Final = (
    *("accepted", "archived", "expired", "erased", "dead_lettered", "in_flight", "missing"),
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The sum of many accounts."""

    accepted: int = 0
    archived: int = 0
    expired: int = 0
    erased: int = 0
    dead_lettered: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    in_flight: int = 0
    missing: int = 0
    epochs: Mapping[State, int] = field(default_factory=dict)


def total(accounts: Iterable[Account]) -> Totals:
    """Add the accounts up."""
    sums: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    states: Counter[State] = Counter()
    for one in accounts:
        for name in _COUNTS:
            sums[name] += getattr(one, name)
        dropped.update(one.dropped)
        states[one.state] += 1
    return Totals(dropped=dict(dropped), epochs=dict(states), **sums)
