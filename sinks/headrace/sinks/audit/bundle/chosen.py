"""What goes into a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.events.errors import HeadraceError


class BundleError(HeadraceError):
    """A bundle cannot be made as it was asked for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A leaf that goes into a bundle, and what it says."""

    log: str
    index: int
    leaf: bytes
    """Its exact bytes, without a newline."""
    event: Mapping[str, Any] | None
    """What was opened; None where it cannot be, or is not to be shown."""
    why: str | None
    """One line: why there is no event."""


@dataclass(slots=True)
class Counts:
    """What a bundle holds."""

    leaves: int = 0
    plain: int = 0
    """Leaves whose event is shown."""
    withheld: int = 0
    """The others."""
    logs: dict[str, int] = field(default_factory=dict)
    """Leaves of each log."""

    def take(self, one: Chosen) -> None:
        self.leaves += 1
        self.plain += one.event is not None
        self.withheld += one.event is None
        self.logs[one.log] = self.logs.get(one.log, 0) + 1
