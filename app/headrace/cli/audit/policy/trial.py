"""A policy tried on events: what it selects, and where it differs from another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from headrace.events.envelope import Envelope
from headrace.streams.audit.policy import Policy

EXAMPLES: Final = 3
"""Kept of each way in which the two policies differ."""


@dataclass(slots=True)
class Tally:
    """How much there is."""

    events: int = 0
    bytes: int = 0
    """Of their ``data``."""

    def add(self, size: int) -> None:
        self.events += 1
        self.bytes += size


@dataclass(slots=True)
class Change:
    """Events of which the two policies say different things."""

    tally: Tally = field(default_factory=Tally)
    examples: list[Envelope] = field(default_factory=list)
    """The first ones."""


@dataclass(slots=True)
class Trial:
    """What a policy selects. Its size goes by classes, types and tenants, not by events."""

    policy: Policy
    current: Policy | None
    """What it is compared with."""
    read: int = 0
    selected: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By class and type."""
    before: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """The same, of the current policy."""
    tenants: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    """By tenant and class."""
    changes: dict[tuple[str | None, str | None], Change] = field(
        default_factory=lambda: defaultdict(Change)
    )
    """By the current class and the new one; None: no evidence."""

    def judge(self, event: Envelope, size: int) -> None:
        """Count an event, whose data has ``size`` bytes."""
        self.read += 1
        found = self.policy.classify(event)
        if found is not None:
            self.selected[found, event.type].add(size)
            self.tenants[event.tenant, found].add(size)
        if self.current is not None:
            self._compare(event, size, self.current.classify(event), found)

    def _compare(self, event: Envelope, size: int, was: str | None, found: str | None) -> None:
        if was is not None:
            self.before[was, event.type].add(size)
        if was != found:
            change = self.changes[was, found]
            change.tally.add(size)
            if len(change.examples) < EXAMPLES:
                change.examples.append(event)


def total(tallies: Iterable[Tally]) -> Tally:
    """Add tallies up."""
    summed = Tally()
    for one in tallies:
        summed.events += one.events
        summed.bytes += one.bytes
    return summed
