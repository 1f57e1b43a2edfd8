"""``headrace sessions``: what is archived."""

from __future__ import annotations

from datetime import timezone
from pathlib import Path
from typing import Any, Final

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.output import print_json, print_table, say
from headrace.cli.replay.entries import duration

_COLUMNS: Final = """
    tenant, session, user, started_at,
    dateDiff('microsecond', started_at, last_event_at) / 1000 AS duration_ms,
    turns, tool_calls, prompt_tokens, completion_tokens, tool_errors + llm_errors AS errors
"""
_HEADINGS: Final = (
    *("tenant", "session", "user", "started", "duration", "turns", "tools"),
    *("tokens in", "tokens out", "errors"),
)
_NUMBERS: Final = ("duration", "turns", "tools", "tokens in", "tokens out", "errors")


@options.command(
    "headrace sessions --since 2h",
    "headrace sessions --tenant acme --limit 5 --json",
)
@options.tenant
@options.since()
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
    since: float | None,
    limit: int,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """List the latest sessions, newest first. --json prints one a line."""
    with connect(options.load(state_dir)) as archive:
        rows = archive.rows(*_query(tenant, since, limit))
    for row in rows:
        row["started_at"] = row["started_at"].replace(tzinfo=timezone.utc)
    if as_json:
        for row in rows:
            print_json({**row, "started_at": row["started_at"].isoformat()})
        return
    print_table(_HEADINGS, [_cells(row) for row in rows], right=_NUMBERS)
    if not rows:
        say("no such sessions: give fewer options; `headrace status` shows whether events arrive")


def _query(tenant: str | None, since: float | None, limit: int) -> tuple[str, dict[str, Any]]:
    """Build the query. The ledger knows the latest sessions, so that only theirs are read."""
    parameters: dict[str, Any] = {
        "limit": limit,
        "since": since or 0.0,
    }
    condition = "1"
    if tenant is not None:
        condition = "tenant = {tenant:String}"
        parameters["tenant"] = tenant
    query = f"""
        SELECT {_COLUMNS} FROM sessions
        WHERE (tenant, session) IN
        (
            SELECT tenant, session FROM epochs_ledger WHERE {condition} AND of_logs = 0
            GROUP BY tenant, session
            HAVING min(first_ts) >= {{since:Float64}}
            ORDER BY min(first_ts) DESC
            LIMIT {{limit:UInt64}}
        )
        ORDER BY started_at DESC, tenant, session
    """
    return query, parameters


def _cells(row: dict[str, Any]) -> list[object]:
    cells = dict(row)
    cells["started_at"] = f"{row['started_at']:%Y-%m-%d %H:%M:%S}"
    cells["duration_ms"] = duration(row["duration_ms"])
    return list(cells.values())
