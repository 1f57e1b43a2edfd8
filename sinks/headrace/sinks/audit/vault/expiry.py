"""What fell due: it may go, class file by class file, unless it is held.

Hashes and seals stay for ever: the rest of a log is proven by them, and they say what was there. A
file that no seal names, which a sealer left that died or was overtaken, goes at its own date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from headrace.sinks.audit.vault.holds import Hold, active_holds, covers_any
from headrace.sinks.audit.vault.place import MissingError
from headrace.sinks.audit.vault.seal import data_of, seal_name
from headrace.sinks.audit.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class Due:
    """A class file whose date has come."""

    log: str
    name: str
    audit_class: str
    due_since: float
    """Seconds since 1970."""
    held: bool
    """Whether a legal hold keeps it all the same."""
    marked: bool
    """Whether one of the vault's own does, which its place is told of."""


def due(vault: Vault, now: float, holds: Sequence[Hold] = ()) -> Iterator[Due]:
    """Find what fell due by ``now``, held or not, and is still there. Changes nothing; blocks.

    ``holds``: others than the vault's own.
    """
    for log in vault.logs():
        for name in vault.place.names(data_of(log)):
            if name.endswith(".jsonl"):
                found = _due(vault, log, name, now, holds)
                if found is not None:
                    yield found


def expire(vault: Vault, now: float, holds: Sequence[Hold] = ()) -> Iterator[Due]:
    """Remove what fell due and is not held; yield each of it when it is done with. Blocks.

    Interrupted anywhere it goes on next time. What is held is marked so in its place. Raises
    :class:`~headrace.sinks.audit.vault.place.KeptError` where the place keeps it for longer.
    """
    for one in due(vault, now, holds):
        if one.marked:
            vault.place.hold(one.name)
        if not one.held:
            vault.place.remove(one.name)
        yield one


def _due(vault: Vault, log: str, name: str, now: float, holds: Sequence[Hold]) -> Due | None:
    try:
        until = vault.place.retained(name).until
    except MissingError:  # another has just removed it
        return None
    if until is None or until > now:
        return None
    span, audit_class, *_ = name.removeprefix(data_of(log)).split(".")
    # The place's date may have been lost when a vault was copied; the seal's is signed.
    sealed = _sealed_until(vault, log, int(span.partition("-")[0]), name, until)
    if sealed is None or sealed > now:
        return None
    lines = vault.place.read(name).split(b"\n")[:-1]
    # Read for each file anew: a hold that comes meanwhile must hold.
    marked = covers_any(lines, active_holds(vault))
    held = marked or covers_any(lines, holds)
    return Due(log, name, audit_class, sealed, held, marked)


def _sealed_until(vault: Vault, log: str, first: int, name: str, otherwise: float) -> float | None:
    """Return the date that a file's seal states, None for ever; ``otherwise`` where none does."""
    try:
        seal = vault.seal(seal_name(log, first))
    except MissingError:
        return otherwise
    dates = [one.retain_until for one in seal.classes if one.name == name]
    return dates[0] if dates else otherwise
