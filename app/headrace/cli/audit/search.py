"""Searching evidence in ClickHouse: counted, told of, and only then read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from headrace.cli.alerts.words import iso, when
from headrace.cli.archive import Archive, Row
from headrace.cli.audit import access, reader
from headrace.cli.audit.access import OWN, Access
from headrace.cli.audit.opening import Opened, Opener
from headrace.cli.audit.selection import Selection
from headrace.cli.output import print_json, print_table, say
from headrace.cli.text import safe_json
from headrace.events.settings import Settings

_COLUMNS: Final = (
    "log, `index`, tenant, user, session, epoch, seq, ts, type, tool, class, policy, key,"
    " sealed_at, retain_until"
)
_LATEST: Final = "ORDER BY ts DESC, log, `index` DESC LIMIT {limit:UInt32}"
_SHORT: Final = 8
"""Hex digits of a pseudonym in a table; --json has all 32."""
_CUT: Final = 300
"""Characters of an opened event in a table."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked, and by whom."""

    selection: Selection
    limit: int
    who: str
    open: bool
    """Whether to decrypt."""
    what: str = "search"
    """How it is told of."""


@dataclass(frozen=True, slots=True)
class Found:
    """A piece of evidence: the clear part, and what it said where that was asked for."""

    row: Row
    opened: Opened | None


def search(settings: Settings, asked: Search) -> list[Found]:
    """Tell of the search and make it; the latest first. Raises CommandError, and as the keys."""
    opener = Opener(settings) if asked.open else None
    with reader.connect(settings) as archive:
        counts = _counts(archive, asked) or {asked.selection.tenant or OWN: 0}
        told = {**asked.selection.as_data(), "limit": asked.limit, "open": asked.open}
        access.tell(settings, Access(asked.who, asked.what, told), counts)
        rows = _rows(archive, asked)
    return [_found(row, opener) for row in rows]


def _counts(archive: Archive, asked: Search) -> dict[str, int]:
    """Count by tenant what would be read: of the evidence itself nothing leaves the server."""
    condition, bound = asked.selection.where()
    rows = archive.rows(
        f"SELECT tenant, count() AS n FROM (SELECT tenant FROM audit WHERE {condition} {_LATEST})"
        " GROUP BY tenant ORDER BY tenant",
        bound | {"limit": asked.limit},
    )
    return {row["tenant"]: row["n"] for row in rows}


def _rows(archive: Archive, asked: Search) -> list[Row]:
    condition, bound = asked.selection.where()
    columns = f"{_COLUMNS}, leaf" if asked.open else _COLUMNS
    return archive.rows(
        f"SELECT {columns} FROM audit WHERE {condition} {_LATEST}", bound | {"limit": asked.limit}
    )


def _found(row: Row, opener: Opener | None) -> Found:
    if opener is None:
        return Found(row, None)
    return Found(row, opener.open(row.pop("leaf").encode()))


def show_json(found: Sequence[Found]) -> None:
    """Print one a line."""
    for one in found:
        times = {name: _utc(one.row[name]) for name in ("sealed_at", "retain_until")}
        more = {} if one.opened is None else {"event": one.opened.event, "why": one.opened.why}
        print_json({**one.row, "time": iso(one.row["ts"]), **times, **more})


def show(found: Sequence[Found]) -> None:
    """Print a table."""
    opened = any(one.opened is not None for one in found)
    heads = ("time", "tenant", "class", "type", "tool", "user", "session", "log", "index")
    print_table(
        (*heads, "said") if opened else heads,
        [_cells(one) for one in found],
        right=("index",),
    )
    if not found:
        say(
            "no evidence of that: it is here some ten seconds after it happened, and of those"
            " tenants alone that `headrace audit roles` was told"
        )


def _cells(one: Found) -> tuple[Any, ...]:
    row, opened = one.row, one.opened
    event = opened.event if opened is not None else None
    user, session = (_who(row, event, name) for name in ("user", "session"))
    clear = (when(row["ts"]), row["tenant"], row["class"], row["type"], row["tool"], user, session)
    where = (row["log"], row["index"])
    if opened is None:
        return (*clear, *where)
    said = opened.why if event is None else safe_json(event.get("data"))[:_CUT]
    return (*clear, *where, said)


def _who(row: Row, event: dict[str, Any] | None, name: str) -> Any:
    """Name a user or a session in the clear where that is known, else by pseudonym."""
    return (row[name] or "")[:_SHORT] if event is None else event.get(name)


def _utc(value: datetime | None) -> str | None:
    """Write a time of ClickHouse's, which it gives in UTC without saying so."""
    return None if value is None else value.replace(tzinfo=timezone.utc).isoformat()
