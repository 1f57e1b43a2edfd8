"""Silences: made, listed and ended by people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from headrace.cli.alerts.ids import pick
from headrace.cli.alerts.words import group_text, iso, when
from headrace.cli.faults import CommandError
from headrace.cli.output import print_table, say
from headrace.events.settings import Settings
from headrace.streams.alerts.matchers import all_match
from headrace.streams.alerts.silences import Silence, Silences, silence
from headrace.streams.alerts.transition import Transition
from headrace.streams.notify import desk


def make(
    matchers: str, *, starts_at: float, ends_at: float, created_by: str, comment: str, now: float
) -> Silence:
    """Make a silence. Raises :class:`CommandError` where it would mute everything, or nothing."""
    try:
        return silence(
            matchers,
            starts_at=starts_at,
            ends_at=ends_at,
            created_by=created_by,
            comment=comment,
            now=now,
        )
    except ValueError as error:
        raise CommandError(str(error)) from None


def add(settings: Settings, made: Silence) -> list[Transition]:
    """Write a silence; return the alerts that fire now and fall under it.

    Raises Retryable where Kafka is away.
    """
    return asyncio.run(_add(settings, made))


async def _add(settings: Settings, made: Silence) -> list[Transition]:
    # Read first: what cannot be read must not leave a silence behind an error.
    firing = [one for one in await desk.list_alerts(settings) if one.state == "firing"]
    await desk.write_silence(settings, made)
    return [one for one in firing if all_match(made.matchers, one.labels)]


def read(settings: Settings) -> list[Silence]:
    """Return every silence that is kept, the earliest first. Raises Retryable."""
    return asyncio.run(desk.list_silences(settings))


def expire(settings: Settings, beginnings: Iterable[str], now: float) -> list[str]:
    """End silences that hold or are to come; return their ids.

    Raises :class:`CommandError` before any is ended where one of them is not there.
    """
    return asyncio.run(_expire(settings, beginnings, now))


async def _expire(settings: Settings, beginnings: Iterable[str], now: float) -> list[str]:
    known = Silences()
    for one in await desk.list_silences(settings):
        known.take(one)
    lasting = [one.id for one in known if one.ends_at > now]
    chosen = pick(beginnings, lasting, "silence", "headrace silence list")
    for name in chosen:
        await desk.write_silence(settings, known.expire(name, now))
    return chosen


def state(one: Silence, now: float) -> str:
    """Say whether a silence is ``active``, ``pending`` or ``expired``."""
    if one.active(now):
        return "active"
    return "pending" if now < one.starts_at < one.ends_at else "expired"


def show(found: Sequence[Silence], now: float) -> None:
    """Print silences as a table."""
    print_table(
        ("id", "state", "matchers", "starts", "ends", "by", "comment"),
        [
            (
                one.id,
                state(one, now),
                _matchers(one),
                when(one.starts_at),
                when(one.ends_at),
                one.created_by,
                one.comment,
            )
            for one in found
        ],
    )
    if not found:
        say("no silences")


def show_added(made: Silence, mutes: Sequence[Transition]) -> None:
    """Print a new silence's id, how long it holds, and what it mutes."""
    say(made.id)
    say(f"mutes {_matchers(made)} from {when(made.starts_at)} to {when(made.ends_at)} (UTC)")
    for one in mutes:
        group = group_text(one.group)
        say(f"fires now: {one.rule}, {one.tenant}{', ' if group else ''}{group}")
    if not mutes:
        say("no alert that fires now falls under it: `headrace alerts list --json` has the labels")


def as_json(one: Silence, now: float) -> dict[str, Any]:
    """Return a silence as scripts read it, times in UTC."""
    times = {name: iso(getattr(one, name)) for name in ("starts_at", "ends_at", "updated_at")}
    return {**one.as_data(), **times, "state": state(one, now)}


def _matchers(one: Silence) -> str:
    return ",".join(map(str, one.matchers))
