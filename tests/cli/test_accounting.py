"""The accounting against a recount by hand over every single number."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.verify import ranges
from headrace.cli.verify.accounting import (
    OPEN_SECONDS,
    EpochId,
    Found,
    Misfit,
    State,
    Told,
    account,
    total,
)

ID = EpochId("acme", "s-1", "00112233aabbccdd")
NOW = 1_700_000_000.0


def found(archived: set[int], **more: object) -> Found:
    highest = max(archived, default=0)
    holes = ranges.of(set(range(1, highest + 1)) - archived)
    facts = {"id": ID, "archived": len(archived), "highest": highest, "holes": holes}
    return Found(**{**facts, "last_ts": NOW, **more})  # type: ignore[arg-type]


class History(NamedTuple):
    """What became of each number of one epoch: an index into PLACES a number."""

    places: list[str]
    ended: bool
    resent: set[int]


PLACES = ("archived", "erased", "dead", "flying", "dropped", "missing")
HISTORIES = st.builds(
    History,
    st.lists(st.sampled_from(PLACES), max_size=40),
    st.booleans(),
    st.sets(st.integers(1, 40)),
)


@given(HISTORIES)
def test_every_number_is_accounted_for_where_it_is(history: History) -> None:
    places = dict(enumerate(history.places, start=1))
    if history.ended:
        places[len(places) + 1] = "archived"
    at = {place: {n for n, where in places.items() if where == place} for place in PLACES}
    # A dead letter or a record in flight of what the archive has already is the same event again.
    known = at["archived"] | at["erased"]
    dead = at["dead"] | (history.resent & known)
    flying = at["flying"] | (history.resent & known)
    # In a session that others share, the archive's ledger still has what was erased.
    in_ledger = at["archived"] | (history.resent & at["erased"])
    told = tuple(
        Told(first, last, last - first + 1, "full") for first, last in ranges.of(at["dropped"])
    )
    result = account(
        found(
            in_ledger,
            erased=ranges.of(at["erased"]),
            end=len(places) if history.ended else None,
            dead=ranges.of(dead),
            in_flight=ranges.of(flying),
            told=told,
        ),
        now=NOW,
    )
    # Without an end marker, nobody can know of missing ones above the highest that was seen.
    accepted = max((n for n, where in places.items() if where != "missing"), default=0)
    assert result.accepted == accepted
    assert result.archived == len(at["archived"])
    assert result.erased == len(at["erased"])
    assert result.dead_lettered == len(at["dead"])
    assert result.in_flight == len(at["flying"])
    assert sum(result.dropped.values()) == len(at["dropped"])
    assert result.missing_ranges == ranges.of({n for n in at["missing"] if n <= accepted})
    assert not result.misfits
    assert result.adds_up == (not result.missing)


TOLD = st.builds(
    lambda first, width, count, reason: Told(first, first + width, count, reason),
    st.integers(1, 30),
    st.integers(0, 10),
    st.integers(1, 12),
    st.sampled_from(["full", "disk"]),
)
CONTRADICTIONS = st.fixed_dictionaries(
    {
        "told": st.lists(TOLD).map(tuple),
        "end": st.none() | st.integers(1, 50),
        "end_dropped": st.dictionaries(st.sampled_from(["full", "broker"]), st.integers(0, 20)),
        "erased": st.sets(st.integers(1, 50)).map(ranges.of),
        "dead": st.sets(st.integers(1, 50)).map(ranges.of),
        "in_flight": st.sets(st.integers(1, 50)).map(ranges.of),
    }
)


@given(st.sets(st.integers(1, 30)), CONTRADICTIONS)
def test_the_parts_always_sum_to_the_accepted(
    archived: set[int], contradictions: dict[str, object]
) -> None:
    """However the stream contradicts itself, no number is counted twice or not at all."""
    result = account(found(archived, **contradictions), now=NOW)
    parts = result.archived + result.erased + result.dead_lettered
    parts += result.in_flight + result.missing
    assert parts + sum(result.dropped.values()) == result.accepted
    assert result.missing <= ranges.size(result.missing_ranges)
    assert (result.missing == 0) == (not result.missing_ranges)
    assert min(result.dropped.values(), default=1) > 0


def test_a_hole_that_nobody_told_of_is_named() -> None:
    result = account(found({1, 2, 6, 7}, end=7), now=NOW)
    assert result.missing == 3
    assert result.missing_ranges == ((3, 5),)
    assert not result.adds_up


def test_told_drops_explain_their_range_by_reason() -> None:
    # 3, 5 and 6 were given up; 4 was accepted within the span.
    result = account(
        found({1, 2, 4, 7}, told=(Told(3, 5, 2, "spool_full"), Told(6, 6, 1, "memory_full"))),
        now=NOW,
    )
    assert result.dropped == {"spool_full": 2, "memory_full": 1}
    assert result.adds_up


def test_more_lacking_than_told_is_missing_within_the_range() -> None:
    result = account(found({1, 7}, told=(Told(2, 6, 3, "spool_full"),)), now=NOW)
    assert result.dropped == {"spool_full": 3}
    assert result.missing == 2
    assert result.missing_ranges == ((2, 6),)
    assert result.misfits == (Misfit(2, 6, 3, 5),)
    assert not result.adds_up


def test_fewer_lacking_than_told_loses_nothing_but_is_named() -> None:
    result = account(found({1, 2, 4}, told=(Told(2, 3, 2, "spool_full"),)), now=NOW)
    assert result.dropped == {"spool_full": 1}
    assert result.misfits == (Misfit(2, 3, 2, 1),)
    assert result.adds_up


def test_the_end_marker_explains_a_hole_that_swallowed_its_own_telling() -> None:
    result = account(found({1, 5}, end=5, end_dropped={"spool_full": 3}), now=NOW)
    assert result.dropped == {"spool_full": 3}
    assert result.adds_up


def test_a_number_above_the_end_marker_is_a_broken_numbering() -> None:
    result = account(found({1, 2, 3}, end=2), now=NOW)
    assert result.after_end == 1
    assert not result.adds_up


def test_an_epoch_without_its_end_is_open_then_its_tail_is_unknown() -> None:
    recent = account(found({1}, last_ts=NOW - OPEN_SECONDS), now=NOW)
    silent = account(found({1}, last_ts=NOW - OPEN_SECONDS - 1), now=NOW)
    closed = account(found({1}, last_ts=0.0, end=1), now=NOW)
    assert (recent.state, silent.state, closed.state) == (
        State.OPEN,
        State.TAIL_UNKNOWN,
        State.CLOSED,
    )


def test_totals_are_sums() -> None:
    accounts = [
        account(found({1, 3}, told=(Told(2, 2, 1, "full"),)), now=NOW),
        account(found({2}, end=4), now=NOW),
    ]
    sums = total(accounts)
    assert (sums.accepted, sums.archived, sums.missing) == (7, 3, 3)
    assert Counter(sums.dropped) == {"full": 1}
    assert sums.epochs == {State.OPEN: 1, State.CLOSED: 1}
