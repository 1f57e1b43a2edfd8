"""Legal holds: placed, listed and released by people."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
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
from headrace.sinks.audit.vault.holds import Hold, Release
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.vault import open_vault

Placed = tuple[Hold, Release | None]


def place(settings: Settings, selection: Selection, *, reason: str, who: str) -> tuple[Hold, int]:
    """Tell of a hold and place it; return it and on how many files it is now.

    Raises :class:`CommandError`, and as the vault.
    """
    about = selection.as_data()
    if not about:
        raise CommandError("say what to hold: --tenant, --user, --session or --class")
    hold = Hold(
        v=holds.VERSION,
        id=secrets.token_hex(6),
        tenant=selection.tenant,
        user=selection.user,
        session=selection.session,
        audit_class=selection.audit_class,
        reason=reason,
        who=who,
        placed_at=time.time(),
    )
    _tell(settings, who, "hold", hold)
    with Line() as line:
        return hold, holds.place_hold(open_vault(settings), hold, _told(line))


def read(settings: Settings, *, everything: bool) -> list[Placed]:
    """Return the holds that stand, or all that there ever were. Raises as the vault."""
    found = holds.placed(open_vault(settings).place)
    return [one for one in found if everything or one[1] is None]


def release(settings: Settings, beginnings: Sequence[str], *, who: str) -> dict[str, int]:
    """Tell of the end of holds and end them; return their ids, and how many files each freed.

    Raises :class:`CommandError` before any is ended where one of them does not stand.
    """
    vault = open_vault(settings)
    known = {hold.id: hold for hold in holds.standing(vault.place)}
    chosen = pick(beginnings, list(known), "hold", "headrace audit hold list")
    freed = {}
    for name in chosen:
        _tell(settings, who, "release", known[name])
        end = Release(v=holds.VERSION, id=name, who=who, released_at=time.time())
        with Line() as line:
            freed[name] = holds.release_hold(vault, known[name], end, _told(line))
    return freed


def show(found: Sequence[Placed]) -> None:
    """Print holds as a table."""
    print_table(
        ("id", "tenant", "user", "session", "class", "reason", "by", "since", "released"),
        [
            (
                *(hold.id, hold.tenant, hold.user, hold.session, hold.audit_class, hold.reason),
                *(hold.who, when(hold.placed_at), when(end.released_at if end else None)),
            )
            for hold, end in found
        ],
    )
    if not found:
        say("no holds")


def as_json(one: Placed) -> dict[str, Any]:
    """Return a hold as scripts read it, times in UTC."""
    hold, end = one
    return {
        "id": hold.id,
        **_about(hold),
        "reason": hold.reason,
        "who": hold.who,
        "placed_at": iso(hold.placed_at),
        "released_at": iso(end.released_at if end else None),
        "released_by": end.who if end else None,
    }


def _tell(settings: Settings, who: str, what: str, hold: Hold) -> None:
    selection = {"hold": hold.id, "reason": hold.reason, **_about(hold)}
    told = Access(who, what, selection, types.AUDIT_CHANGE)
    access.tell(settings, told, {hold.tenant or OWN: None})


def _about(hold: Hold) -> dict[str, str | None]:
    named = {"tenant": hold.tenant, "user": hold.user, "session": hold.session}
    return {**named, "class": hold.audit_class}


def _told(line: Line) -> holds.Told:
    def told(seal: Seal) -> None:
        line.say(f"looking through {seal.log} from {seal.first:,}")

    return told
