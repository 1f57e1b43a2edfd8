"""Where a person can stand in ClickHouse: the one list, which a new table must be added to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Holds(str, Enum):
    """What a table holds of people."""

    EVENTS = "events"
    """Rows with a session and a user: deleted by either."""
    SESSIONS = "sessions"
    """Rows that name a session: deleted where the session was the person's alone."""
    EVIDENCE = "evidence"
    """Pseudonyms and ciphertext: readable no more once the keys are shredded."""
    NOBODY = "nobody"
    """Numbers by tenant, tool, model; marks."""


@dataclass(frozen=True, slots=True)
class Store:
    """One table. Its columns are called ``tenant``, ``session`` and ``user``."""

    table: str
    holds: Holds


PERSONAL: Final = """(
    SELECT tenant, session, user, epoch, seq, ts, type, data FROM events_raw
    UNION ALL
    SELECT tenant, session, user, epoch, seq, ts, type, data FROM logs_raw
)"""
"""All rows that are people's own, for queries by session and user."""

STORES: Final = (
    Store("events_raw", Holds.EVENTS),
    Store("logs_raw", Holds.EVENTS),
    Store("epochs_ledger", Holds.SESSIONS),
    Store("dropped_ledger", Holds.SESSIONS),
    Store("ends_ledger", Holds.SESSIONS),
    Store("otel_traces_in", Holds.NOBODY),  # keeps nothing
    Store("otel_traces_raw", Holds.EVENTS),
    Store("otel_traces_trace_id_ts", Holds.EVENTS),
    Store("audit_raw", Holds.EVIDENCE),
    Store("erased_ledger", Holds.NOBODY),
    Store("metric_panes_raw", Holds.NOBODY),
    Store("alert_transitions_raw", Holds.NOBODY),
    Store("schema_migrations", Holds.NOBODY),
    Store("retention_ledger", Holds.NOBODY),
)
