"""The report: what is kept how long, what is held, what fell due, what is gone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from headrace.cli.alerts.words import iso, when
from headrace.cli.audit.policy_holds import policy_holds
from headrace.cli.output import print_json, print_table, say
from headrace.cli.progress import Line
from headrace.events.settings import Settings
from headrace.sinks.audit.vault.holds import Hold, active_holds, covers_any
from headrace.sinks.audit.vault.seal import ClassFile, Seal, data_of
from headrace.sinks.audit.vault.vault import Vault, need_vault
from headrace.streams.audit import policy
from headrace.streams.audit.retention import written


@dataclass(slots=True)
class ClassReport:
    """Of one class. Counts are of records; what is held is kept, too, and not due."""

    name: str
    retention_days: int | None
    """Of the policy that is configured now; None: for ever, or no such class in it."""
    known: bool
    """Whether that policy has the class."""
    kept: int = 0
    bytes: int = 0
    """Of what is kept."""
    oldest: float | None = None
    """When the oldest of what is kept was sealed, in seconds since 1970."""
    next_due: float | None = None
    """When something falls due next."""
    held: int = 0
    due: int = 0
    """Fell due, and is there still."""
    expired: int = 0
    """Fell due, and was removed."""

    def keep(self, file: ClassFile, sealed_at: float, *, held: bool, now: float) -> None:
        """Count what is there still."""
        until = file.retain_until
        self.kept += file.count
        self.bytes += file.size
        self.oldest = min(self.oldest or sealed_at, sealed_at)
        if held:
            self.held += file.count
        elif until is not None and until <= now:
            self.due += file.count
        elif until is not None:
            self.next_due = min(self.next_due or until, until)


def report(settings: Settings, now: float) -> list[ClassReport]:
    """Go through the vault. ``now``: seconds since 1970. Raises as the vault and the policy."""
    classes = policy.load(settings.audit.policy).classes
    found = {
        name: ClassReport(name, one.retention_days, known=True) for name, one in classes.items()
    }
    vault = need_vault(settings)
    held = [*policy_holds(settings), *active_holds(vault)]
    with Line() as line:
        for seal, file, there in _sealed(vault, line):
            name = file.audit_class
            one = found.setdefault(name, ClassReport(name, None, known=False))
            if there:
                one.keep(file, seal.sealed_at, held=_is_held(vault, file, held), now=now)
            else:
                one.expired += file.count
    return list(found.values())


def _sealed(vault: Vault, line: Line) -> Iterator[tuple[Seal, ClassFile, bool]]:
    """Yield every file that was ever sealed, and whether it is there still."""
    for log in sorted(vault.logs()):
        names = set(vault.place.names(data_of(log)))
        for seal in vault.seals(log):
            line.say(f"looking through {log} from {seal.first:,}")
            yield from ((seal, file, file.name in names) for file in seal.classes)


def _is_held(vault: Vault, file: ClassFile, held: Sequence[Hold]) -> bool:
    near = [hold for hold in held if hold.audit_class in {None, file.audit_class}]
    return bool(near) and covers_any(vault.lines(file) or (), near)


def show_json(found: list[ClassReport]) -> None:
    """Print one a line."""
    for one in found:
        times = {"oldest": iso(one.oldest), "next_due": iso(one.next_due)}
        print_json({**asdict(one), **times})


def show(found: list[ClassReport]) -> None:
    """Print a table."""
    numbers = ("kept", "bytes", "held", "due", "expired")
    print_table(
        ("class", "retention", "kept", "bytes", "oldest", "next due", "held", "due", "expired"),
        [_cells(one) for one in found],
        right=numbers,
    )
    if any(one.due for one in found):
        say("what fell due goes with `headrace audit expire --apply`", "yellow")


def _cells(one: ClassReport) -> tuple[Any, ...]:
    times = when(one.oldest), when(one.next_due)
    return (one.name, _retention(one), one.kept, one.bytes, *times, one.held, one.due, one.expired)


def _retention(one: ClassReport) -> str:
    if not one.known:
        return "not in the policy"
    return written(one.retention_days)
