"""Print a verdict: a short table, then what a person must know by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from headrace.cli.output import print_table, say
from headrace.cli.verify.accounting import Account, EpochId, State
from headrace.cli.verify.run import Verdict

MOST_LINES: Final = 30
MOST_RANGES: Final = 8


def show(verdict: Verdict) -> None:
    """Print the totals, then the gaps."""
    sums = verdict.totals
    rows = [("accepted", sums.accepted), ("archived", sums.archived)]
    if sums.expired:
        rows.append(("expired", sums.expired))
    if sums.erased:
        rows.append(("erased", sums.erased))
    rows.append(("dead-lettered", sums.dead_lettered))
    rows += [(f"dropped: {reason}", count) for reason, count in sorted(sums.dropped.items())]
    rows += [("in flight", sums.in_flight), ("missing", sums.missing)]
    print_table(("events and log records", "count"), rows, right=("count",))
    states = [f"{sums.epochs[state]:,} {state.value}" for state in State if state in sums.epochs]
    say(f"epochs: {', '.join(states) or 'none'}")
    lines = list(problems(verdict))
    for line in lines[:MOST_LINES]:
        say(line, "red")
    if len(lines) > MOST_LINES:
        say(f"and {len(lines) - MOST_LINES:,} more: --json has them all", "red")
    _conclude(verdict)


def _conclude(verdict: Verdict) -> None:
    if verdict.nameless:
        say(f"{verdict.nameless:,} dead letters are no events: `headrace dlq list` shows them")
    if verdict.unread:
        say(
            f"{verdict.unread:,} more are in flight and were not looked at: verify again when "
            "`headrace status` shows no lag",
            "yellow",
        )
    tail_unknown = verdict.totals.epochs.get(State.TAIL_UNKNOWN, 0)
    if not verdict.adds_up:
        say("it does NOT add up", "bold red")
    elif tail_unknown:
        say(f"it adds up, but the end of {tail_unknown:,} epochs is unknown", "yellow")
    else:
        say("it adds up", "bold green")


def problems(verdict: Verdict) -> Iterator[str]:
    """Yield one line for each thing that a person must know by session, epoch and sequence."""
    for corruption in verdict.corrupt:
        yield (
            f"corrupt: {_name(corruption.id)} seq {corruption.seq}: {corruption.variants} "
            "different events under one identity"
        )
    for one in sorted(verdict.wanting, key=lambda one: one.id):
        yield from _wants(one)
    for one in sorted(verdict.wanting, key=lambda one: one.id):
        if one.state is State.TAIL_UNKNOWN:
            last = f"silent after seq {one.accepted:,} without an end marker"
            yield f"tail unknown: {_name(one.id)} {last}"


def _wants(one: Account) -> Iterator[str]:
    name = _name(one.id)
    if one.lost:
        yield f"lost: {name}: {one.lost:,} events were archived, and went before their time"
    if one.missing > one.lost:
        spans = ", ".join(f"{first}..{last}" for first, last in one.missing_ranges[:MOST_RANGES])
        more = ", …" if len(one.missing_ranges) > MOST_RANGES else ""
        yield f"missing: {name} seq {spans}{more} ({one.missing - one.lost:,} events)"
    if one.after_end:
        yield f"broken numbering: {name} has {one.after_end:,} numbers above its end marker"
    for misfit in one.misfits:
        yield (
            f"told drops do not fit: {name} seq {misfit.first}..{misfit.last}: told "
            f"{misfit.told:,}, lacking {misfit.lacking:,}"
        )


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return the whole verdict for a script."""
    sums = verdict.totals
    return {
        "adds_up": verdict.adds_up,
        "accepted": sums.accepted,
        "archived": sums.archived,
        "expired": sums.expired,
        "erased": sums.erased,
        "dead_lettered": sums.dead_lettered,
        "dropped": dict(sums.dropped),
        "in_flight": sums.in_flight,
        "missing": sums.missing,
        "epochs": {state.value: sums.epochs.get(state, 0) for state in State},
        "nameless_dead_letters": verdict.nameless,
        "in_flight_unread": verdict.unread,
        "corrupt": [
            {**corruption.id._asdict(), "seq": corruption.seq, "variants": corruption.variants}
            for corruption in verdict.corrupt
        ],
        "wanting": [_account_json(one) for one in verdict.wanting],
    }


def _account_json(one: Account) -> dict[str, Any]:
    return {
        **one.id._asdict(),
        "state": one.state.value,
        "accepted": one.accepted,
        "archived": one.archived,
        "expired": one.expired,
        "erased": one.erased,
        "dead_lettered": one.dead_lettered,
        "dropped": dict(one.dropped),
        "in_flight": one.in_flight,
        "missing": one.missing,
        "missing_ranges": [list(pair) for pair in one.missing_ranges],
        "lost": one.lost,
        "told_misfits": [misfit._asdict() for misfit in one.misfits],
        "after_end": one.after_end,
    }


def _name(epoch: EpochId) -> str:
    return f"{epoch.tenant} / {epoch.session} epoch {epoch.epoch}"
