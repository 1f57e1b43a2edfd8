"""``headrace sessions``: what is archived."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.output import print_json, print_table, say
from headrace.cli.replay.entries import duration

COLUMNS: Final = (
    *("tenant", "session", "user", "started_at", "duration_ms", "turns", "tool_calls"),
    *("prompt_tokens", "completion_tokens", "errors"),
)
_HEADINGS: Final = (
    *("tenant", "session", "user", "started", "duration", "turns", "tools"),
    *("tokens in", "tokens out", "errors"),
)
_NUMBERS: Final = ("duration", "turns", "tools", "tokens in", "tokens out", "errors")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Since(click.ParamType):
    """A span back from now: ``30s``, ``15m``, ``2h``, ``7d``, ``4w``."""

    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        match = re.fullmatch(r"(\d{1,6})([smhdw])", str(value))
        if not match:
            self.fail(f"{value!r} is not a span such as 30s, 15m, 2h or 7d", param, ctx)
        return timedelta(**{_UNITS[match.group(2)]: int(match.group(1))})


@options.command(
    "headrace sessions --since 2h",
    "headrace sessions --tenant acme --limit 5 --json",
)
@options.tenant
@click.option("--since", type=Since(), help="Started within, as 30s, 15m, 2h, 7d.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=20,
    show_default=True,
    help="How many.",
)
@options.as_json
@options.state_dir
def sessions(
    tenant: str | None,
    since: timedelta | None,
    limit: int,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """List the latest sessions, newest first. --json prints one a line."""
    with connect(options.load(state_dir)) as archive:
        rows = archive.rows(*_query(tenant, since, limit))
    if as_json:
        for row in rows:
            print_json({**row, "started_at": row["started_at"].isoformat()})
        return
    print_table(_HEADINGS, [_cells(row) for row in rows], right=_NUMBERS)
    if not rows:
        say("no sessions: widen --since, or see `headrace status` whether events arrive")


def _query(tenant: str | None, since: timedelta | None, limit: int) -> tuple[str, dict[str, Any]]:
    conditions = ["1"]
    parameters: dict[str, Any] = {"limit": limit}
    if tenant is not None:
        conditions.append("tenant = {tenant:String}")
        parameters["tenant"] = tenant
    if since is not None:
        conditions.append("started_at >= now() - toIntervalSecond({seconds:UInt64})")
        parameters["seconds"] = int(since.total_seconds())
    query = f"""
        SELECT {", ".join(COLUMNS)} FROM sessions WHERE {" AND ".join(conditions)}
        ORDER BY started_at DESC, tenant, session LIMIT {{limit:UInt64}}
    """
    return query, parameters


def _cells(row: dict[str, Any]) -> list[object]:
    values = [row[name] for name in COLUMNS]
    values[3] = f"{row['started_at']:%Y-%m-%d %H:%M:%S}"
    values[4] = duration(row["duration_ms"] or 0)
    return values
