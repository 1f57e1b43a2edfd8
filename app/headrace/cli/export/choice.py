"""Which events are exported, and how the archive is asked for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from headrace.cli.archive import Archive

STREAMED: Final = {
    "do_not_merge_across_partitions_select_final": 1,
    # Paths and addresses in names of sessions stay as they are.
    "output_format_json_escape_forward_slashes": 0,
    # What the server holds of a Parquet file before it writes it.
    "output_format_parquet_row_group_size": 65_536,
    "output_format_parquet_row_group_size_bytes": 16 << 20,
    # Each thread holds blocks of its own, and one keeps a disk busy; events may be large.
    "max_threads": 1,
    "max_block_size": 8_192,
}
LONGEST_SECONDS: Final = 3_600
"""An export may take so long where the server gives its readers less: the local one's most."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Events of one tenant. Times are seconds since 1970: from the first on, before the second."""

    tenant: str
    session: str | None = None
    user: str | None = None
    types: Sequence[str] = ()
    since: float | None = None
    until: float | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """Return conditions on the columns of events, and what is bound in them."""
        conditions, bound = ["tenant = {tenant:String}"], {"tenant": self.tenant}
        for name, value in (("session", self.session), ("user", self.user)):
            if value is not None:
                conditions.append(f"{name} = {{{name}:String}}")
                bound[name] = value
        parameters: dict[str, Any] = dict(bound)
        if self.types:
            conditions.append("type IN {types:Array(String)}")
            parameters["types"] = list(self.types)
        # By the exact number; by the rounded time as well, so that other weeks are not read.
        if self.since is not None:
            conditions.append("ts >= {since:Float64} AND time >= toDateTime({since_s:UInt32})")
            parameters |= {"since": self.since, "since_s": _seconds(math.floor(self.since))}
        if self.until is not None:
            conditions.append("ts < {until:Float64} AND time <= toDateTime({until_s:UInt32})")
            parameters |= {"until": self.until, "until_s": _seconds(math.ceil(self.until))}
        return " AND ".join(conditions), parameters

    def as_data(self) -> dict[str, Any]:
        """What the manifest says was asked for."""
        return {
            "tenant": self.tenant,
            "session": self.session,
            "user": self.user,
            "types": list(self.types),
            "from": None if self.since is None else iso(self.since),
            "to": None if self.until is None else iso(self.until),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """What the archive has of a choice."""

    rows: int
    sessions: int
    first: float
    last: float
    """Of the events' ``ts``; 0 for no rows."""


def count(archive: Archive, choice: Choice) -> Found:
    """Count what would be exported."""
    where, bound = choice.where()
    query = f"""
        SELECT count() AS rows, uniqExact(session) AS sessions, min(ts) AS first, max(ts) AS last
        FROM events_raw FINAL
        WHERE {where}
        SETTINGS do_not_merge_across_partitions_select_final = 1
    """
    (row,) = archive.rows(query, bound)
    return Found(**row)


def settings_of(archive: Archive) -> dict[str, int]:
    """Return the settings of a long query: a reader's own limit may be meant for people who wait.

    Where the server does not let it be changed, it holds.
    """
    limits = archive.rows(
        "SELECT value FROM system.settings"
        " WHERE name = 'max_execution_time' AND toFloat64(value) > 0 AND NOT readonly"
    )
    return STREAMED | ({"max_execution_time": LONGEST_SECONDS} if limits else {})


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


def _seconds(seconds: int) -> int:
    return min(max(seconds, 0), 2**32 - 1)
