"""Letting evidence go that fell due and that nobody holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from headrace.cli.audit import access
from headrace.cli.audit.access import Access
from headrace.cli.audit.policy_holds import policy_holds
from headrace.cli.output import print_table, say
from headrace.cli.progress import Line
from headrace.events import types
from headrace.events.settings import Settings
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.vault import expiry
from headrace.sinks.audit.vault.expiry import Due
from headrace.sinks.audit.vault.vault import Vault, need_vault


@dataclass(slots=True)
class Expiry:
    """What fell due, in records."""

    due: Counter[str] = field(default_factory=Counter)
    """By class; no hold is on these."""
    held: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    """Of what is not held."""
    tenants: Counter[str] = field(default_factory=Counter)
    """Whose these are; the policies' under no name."""
    removed: int = 0
    """Files."""

    def take(self, vault: Vault, one: Due) -> None:
        lines = vault.place.read(one.name).splitlines()
        if one.held:
            self.held[one.audit_class] += len(lines)
            return
        self.due[one.audit_class] += len(lines)
        self.bytes[one.audit_class] += sum(len(line) + 1 for line in lines)
        self.tenants.update(leaves.read(line).tenant or "" for line in lines)


def expire(settings: Settings, *, who: str, apply: bool, now: float) -> Expiry:
    """Find what fell due; with ``apply`` tell of it and remove it. Blocks.

    ``now``: seconds since 1970. Interrupted, it is called again. Raises :class:`CommandError`
    where it could not be told of, and as the vault.
    """
    vault, found, holds = need_vault(settings), Expiry(), policy_holds(settings)
    with Line() as line:
        line.say("looking for what fell due")
        for one in expiry.due(vault, now, holds):
            found.take(vault, one)
        if not apply or not found.due:
            return found
        told = Access(who, "expire", {"classes": dict(found.due)}, types.AUDIT_CHANGE)
        access.tell(settings, told, found.tenants)
        line.say("removing what fell due")
        found.removed = sum(not one.held for one in expiry.expire(vault, now, holds))
    return found


def show(found: Expiry, *, applied: bool) -> None:
    """Print what fell due, by class."""
    classes = sorted({*found.due, *found.held})
    print_table(
        ("class", "due", "held", "bytes due"),
        [(name, found.due[name], found.held[name], found.bytes[name]) for name in classes],
        right=("due", "held", "bytes due"),
    )
    if not classes:
        say("nothing fell due")
    elif applied:
        say(f"removed {found.removed:,} files")
    else:
        say("nothing is removed without --apply")
