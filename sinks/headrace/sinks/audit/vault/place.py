"""What the vault needs of where it is: names that are written once and kept until a date.

VaultError                 what stands in the vault is not as it should be
├── MissingError           there is nothing of that name
├── TakenError             another content has that name already
├── KeptError              it may not be removed: not yet, or it is under a hold
└── ChangedError           what stands there is not what was sealed
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from headrace.events.errors import HeadraceError

_NAME: Final = re.compile(
    r"(?:[A-Za-z0-9_%=+-][A-Za-z0-9._%=+-]*/)*[A-Za-z0-9_%=+-][A-Za-z0-9._%=+-]*"
)


class VaultError(HeadraceError):
    """What stands in the vault is not as it should be. The message names it."""


class MissingError(VaultError):
    """There is nothing of that name."""


class TakenError(VaultError):
    """Another content has that name already, and nothing is ever overwritten."""


class KeptError(VaultError):
    """It may not be removed: its date has not come, or it is under a legal hold."""


class ChangedError(VaultError):
    """What stands there is not what was sealed."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What protects a name."""

    until: float | None
    """Seconds since 1970; None: for ever."""
    held: bool
    """Whether it is under a legal hold as well."""

    def allows_removal(self, now: float) -> bool:
        return self.until is not None and self.until <= now and not self.held


class Place(Protocol):
    """Keeps contents under names such as ``logs/x/0.seal``. Blocking, safe from any thread.

    Every method raises :class:`~headrace.events.errors.Retryable` where the place is away.
    """

    def create(self, name: str, content: bytes, *, retain_until: float | None = None) -> bool:
        """Write what is not there yet, whole or not at all, and durably before this returns.

        ``retain_until``: seconds since 1970 until which it cannot be removed; None: for ever.
        Returns False where it was there already with this content. Raises :class:`TakenError`
        where it is there with another: of two who create, one does.
        """
        ...

    def read(self, name: str) -> bytes:
        """Raises :class:`MissingError`."""
        ...

    def names(self, prefix: str, *, after: str = "") -> Iterator[str]:
        """Name in order what begins with the prefix, up to the next slash.

        What ends with a slash holds more. ``after``: only names behind this one.
        """
        ...

    def last(self, prefix: str) -> str | None:
        """Return the last of :meth:`names`; what follows the prefix must be digits first."""
        ...

    def hold(self, name: str) -> None:
        """Keep it beyond its date, until it is released. Again: nothing happens."""
        ...

    def release(self, name: str) -> None: ...

    def remove(self, name: str) -> None:
        """Remove what fell due; what is gone already is no error. Raises :class:`KeptError`."""
        ...

    def retained(self, name: str) -> Retained:
        """Raises :class:`MissingError`."""
        ...


def checked(name: str) -> str:
    """Return a name that every place can have. Raises :class:`VaultError`.

    No part of one begins with a full stop: none leads out of a directory.
    """
    if not _NAME.fullmatch(name):
        raise VaultError(f"not a name in a vault: {name[:120]!r}")
    return name


def need_removable(name: str, retained: Retained, now: float) -> None:
    """Raise :class:`KeptError` where it must stay."""
    if not retained.allows_removal(now):
        raise KeptError(f"{name} may not be removed: {_reason(retained)}")


def _reason(retained: Retained) -> str:
    if retained.held:
        return "it is under a legal hold"
    return "it is kept for ever" if retained.until is None else "it has not fallen due"
