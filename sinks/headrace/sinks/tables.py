"""The tables that records are written to as they are, and what their lines look like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the archive. Its columns are in ``migrations/``."""

    name: str
    numbered: bool = False
    """Its lines have a ``seq`` that no line may lack or bend: it tells the events of an epoch."""
    compacted: bool = False
    """So is its topic: a record without a value is nothing to write, and no fault."""
    typed: bool = False
    """Its lines give numbers, flags and lists where its maps have text."""


EVENTS: Final = Table("events_raw", numbered=True)
LOGS: Final = Table("logs_raw", numbered=True)
PANES: Final = Table("metric_panes_raw", compacted=True)
TRANSITIONS: Final = Table("alert_transitions_raw")
SPANS: Final = Table("otel_traces_in", typed=True)
ERASED: Final = Table("erased_ledger")
DROPPED: Final = Table("dropped_ledger")
AUDIT: Final = Table("audit_raw")
