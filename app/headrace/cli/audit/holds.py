"""Legal holds: placed, listed and released by people."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

from headrace.cli.alerts.ids import pick
from headrace.cli.alerts.words import iso, when
from headrace.cli.audit import access
from headrace.cli.audit.access import OWN, Access
from headrace.cli.audit.selection import Selection
from headrace.cli.faults import CommandError
from headrace.cli.output import print_table, say
from headrace.cli.progress import Line
from headrace.events import types
from headrace.events.settings import Settings
from headrace.sinks.audit.vault import holds
from headrace.sinks.audit.vault.holds import Hold, HoldState, Release
from headrace.sinks.audit.vault.vault import need_vault


def place(
    settings: Settings, selection: Selection, *, reason: str, who: str
) -> tuple[HoldState, int]:
    """Tell of a hold and place it; return it and on how many files it is now.

    Raises :class:`CommandError`, and as the vault.
    """
    about = selection.as_data()
    if not about:
        raise CommandError("say what to hold: --tenant, --user, --session or --class")
    hold = Hold(
        id=secrets.token_hex(6),
        tenant=selection.tenant,
        user=selection.user,
        session=selection.session,
        audit_class=selection.audit_class,
        reason=reason,
        by=who,
        placed_at=time.time(),
    )
    vault = need_vault(settings)
    _tell(settings, who, "hold", hold)
    holds.place_hold(vault, hold)
    return HoldState(hold, None), _count("marking what is held", holds.mark(vault, hold))


def read(settings: Settings, *, everything: bool) -> list[HoldState]:
    """Return the holds that stand, or all that there ever were; the earliest first."""
    found = holds.holds(need_vault(settings))
    found.sort(key=lambda one: one.hold.placed_at)
    return [one for one in found if everything or one.release is None]


def release(
    settings: Settings, beginnings: Sequence[str], *, reason: str, who: str
) -> dict[str, int]:
    """Tell of the end of holds and end them; return their ids, and how many files each freed.

    Raises :class:`CommandError` before any is ended where one of them does not stand.
    """
    vault = need_vault(settings)
    known = {hold.id: hold for hold in holds.active_holds(vault)}
    chosen = pick(beginnings, list(known), "hold", "headrace audit hold list")
    freed = {}
    for name in chosen:
        _tell(settings, who, "release", known[name])
        end = Release(id=name, reason=reason, by=who, released_at=time.time())
        holds.release_hold(vault, end)
        freed[name] = _count("freeing what was held", holds.unmark(vault, known[name]))
    return freed


def show(found: Sequence[HoldState]) -> None:
    """Print holds as a table."""
    print_table(
        ("id", "tenant", "user", "session", "class", "reason", "by", "since", "released"),
        [
            (
                *(one.hold.id, *_about(one.hold).values(), one.hold.reason, one.hold.by),
                when(one.hold.placed_at),
                when(one.release.released_at if one.release else None),
            )
            for one in found
        ],
    )
    if not found:
        say("no holds")


def as_json(one: HoldState) -> dict[str, Any]:
    """Return a hold as scripts read it, times in UTC."""
    hold, end = one.hold, one.release
    return {
        "id": hold.id,
        **_about(hold),
        "reason": hold.reason,
        "by": hold.by,
        "placed_at": iso(hold.placed_at),
        "released_at": iso(end.released_at if end else None),
        "released_by": end.by if end else None,
        "released_for": end.reason if end else None,
    }


def _tell(settings: Settings, who: str, what: str, hold: Hold) -> None:
    selection = {"hold": hold.id, "reason": hold.reason, **_about(hold)}
    told = Access(who, what, selection, types.AUDIT_CHANGE)
    access.tell(settings, told, {hold.tenant or OWN: None})


def _about(hold: Hold) -> dict[str, str | None]:
    named = {"tenant": hold.tenant, "user": hold.user, "session": hold.session}
    return {**named, "class": hold.audit_class}


def _count(doing: str, names: Iterator[str]) -> int:
    with Line() as line:
        line.say(doing)
        return sum(1 for _ in names)
