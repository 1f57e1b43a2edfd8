"""Letting evidence go that fell due and that nobody holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from headrace.cli.audit import access
from headrace.cli.audit.access import Access
from headrace.cli.audit.keeping import Kept, look, tenants
from headrace.cli.faults import CommandError
from headrace.cli.output import print_table, say
from headrace.cli.progress import Line
from headrace.events import types
from headrace.events.settings import Settings
from headrace.sinks.audit.vault import holds
from headrace.sinks.audit.vault.holds import Hold
from headrace.sinks.audit.vault.place import KeptError
from headrace.sinks.audit.vault.vault import Vault, open_vault


@dataclass(slots=True)
class Expiry:
    """What fell due, and what became of it."""

    due: list[Kept] = field(default_factory=list)
    """No hold is on these."""
    held: list[Kept] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """What the place would not let go, by name, and why."""


def expire(settings: Settings, *, who: str, apply: bool, now: float) -> Expiry:
    """Find what fell due; with ``apply`` tell of it and remove it. Blocks.

    ``now``: seconds since 1970. Interrupted, it is called again. Raises :class:`CommandError`
    where holds changed meanwhile, and as the vault.
    """
    vault, found = open_vault(settings), Expiry()
    standing = holds.standing(vault.place)
    with Line() as line:
        for one in look(vault, standing, line, due_at=now):
            (found.held if one.holds else found.due).append(one)
        if not apply or not found.due:
            return found
        _tell(settings, vault, found.due, who)
        for done, one in enumerate(found.due):
            line.say("removing what fell due", done=done, total=len(found.due))
            _remove(vault, one, standing, found)
    return found


def _tell(settings: Settings, vault: Vault, due: Sequence[Kept], who: str) -> None:
    counts = sum((tenants(vault, one) for one in due), Counter[str]())
    classes = Counter[str]()
    for one in due:
        classes[one.file.audit_class] += one.file.count
    told = Access(who, "expire", {"classes": dict(classes)}, types.AUDIT_CHANGE)
    access.tell(settings, told, counts)


def _remove(vault: Vault, one: Kept, standing: list[Hold], found: Expiry) -> None:
    if holds.standing(vault.place) != standing:
        raise CommandError("a hold was placed or released meanwhile: run it again")
    try:
        vault.place.remove(one.file.name)
    except KeptError as error:
        found.refused[one.file.name] = str(error)


def show(found: Expiry, *, applied: bool) -> None:
    """Print what fell due, by class, and why what stays does."""
    rows: dict[str, list[int]] = {}
    for which, kept in enumerate((found.due, found.held)):
        for one in kept:
            row = rows.setdefault(one.file.audit_class, [0, 0, 0])
            row[which] += one.file.count
            row[2] += one.file.size if not which else 0
    print_table(
        ("class", "due", "held", "bytes due"),
        [(name, *row) for name, row in sorted(rows.items())],
        right=("due", "held", "bytes due"),
    )
    for why in found.refused.values():
        say(why, "yellow")
    if not rows:
        say("nothing fell due")
    elif applied:
        say(f"removed {len(found.due) - len(found.refused):,} files")
    else:
        say("nothing is removed without --apply")
