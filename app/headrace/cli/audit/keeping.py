"""What the vault keeps: file by file, what is kept, held, due and gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from headrace.cli.progress import Line
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.vault import holds
from headrace.sinks.audit.vault.holds import Hold
from headrace.sinks.audit.vault.seal import ClassFile, Seal, data_of
from headrace.sinks.audit.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Kept:
    """The leaves of one class in one segment: they are kept, and removed, together."""

    seal: Seal
    file: ClassFile
    there: bool
    """Whether it is in the vault still."""
    holds: tuple[Hold, ...]
    """Those that are on it."""

    def due(self, now: float) -> bool:
        """Whether its date has come; ``now`` in seconds since 1970."""
        until = self.file.retain_until
        return until is not None and until <= now


def look(
    vault: Vault, standing: list[Hold], line: Line, *, due_at: float | None = None
) -> Iterator[Kept]:
    """Yield all that was ever sealed, by log and in order. Blocking; raises as the vault.

    ``due_at``: only what is there still and due by then (seconds since 1970).
    """
    for log in sorted(vault.logs()):
        names = set(vault.place.names(data_of(log)))
        for seal in vault.seals(log):
            line.say(f"looking through {log} from {seal.first:,}")
            for file in seal.classes:
                found = Kept(seal, file, file.name in names, ())
                if due_at is not None and not (found.there and found.due(due_at)):
                    continue
                on = holds.covering(vault, file, standing) if found.there and standing else []
                yield Kept(seal, file, found.there, tuple(on))


def tenants(vault: Vault, kept: Kept) -> Counter[str]:
    """Count the leaves of a file by tenant."""
    read = map(leaves.read, vault.lines(kept.file) or ())
    return Counter(clear.tenant or "" for clear in read)
