"""What a selection means in the vault: leaves, read seal by seal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from headrace.cli.audit.selection import Selection
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.leaf import Leaf
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.vault import Vault

Told = Callable[[str, int, int], None]
"""Progress: log, leaves done, leaves in all."""


@dataclass(slots=True)
class Matches:
    """Where the leaves of a selection are, without the leaves."""

    seals: list[Seal] = field(default_factory=list)
    """Those that hold any, by log and then in order."""
    counts: Counter[str] = field(default_factory=Counter)
    """By tenant; the policies' under no name."""


def choose(vault: Vault, selection: Selection, told: Told) -> Matches:
    """Look through the vault once. Blocking; raises as the vault."""
    chosen = Matches()
    for log in sorted(vault.logs()):
        last = vault.last_seal(log)
        for seal in vault.seals(log):
            told(log, seal.first, last.end if last else 0)
            found = Counter(clear.tenant or "" for clear, _ in matching(vault, seal, selection))
            chosen.counts += found
            if found:
                chosen.seals.append(seal)
    return chosen


def matching(vault: Vault, seal: Seal, selection: Selection) -> list[tuple[Leaf, bytes]]:
    """Return the leaves of a seal that are selected and still kept, by index."""
    found = []
    for file in seal.classes:
        if selection.audit_class in {None, file.audit_class}:
            read = ((leaves.read(line), line) for line in vault.lines(file) or ())
            found += [one for one in read if selection.covers(one[0])]
    return sorted(found, key=lambda one: one[0].index)
