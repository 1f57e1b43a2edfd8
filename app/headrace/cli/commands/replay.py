"""``headrace replay``: what happened in a session."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.replay.diff.run import tell_diff
from headrace.cli.replay.out import opened
from headrace.cli.replay.pace import Speed
from headrace.cli.replay.run import STREAMS, Asked, tell
from headrace.cli.replay.show import counted
from headrace.cli.text import safe_text

FORMATS: Final = ("text", "md", "html", "jsonl", "json")


@options.command(
    "headrace replay s-1",
    "headrace replay s-1 --tenant acme --full | less -R",
    "headrace replay s-1 --follow",
    "headrace replay s-1 --speed 10x",
    "headrace replay s-1 --format html --out s-1.html",
    "headrace replay s-good --diff s-bad",
    "headrace replay s-1 --json | jq 'select(.kind == \"tool\")'",
)
@click.argument("session")
@options.tenant
@click.option("--full", is_flag=True, help="Cut nothing short; show allowed calls' permissions.")
@click.option("--logs", is_flag=True, help="The session's log records, too, where they belong.")
@click.option("--follow", "live", is_flag=True, help="Go on with what comes, to the session's end.")
@click.option("--speed", type=Speed(), help="As it happened: 1x, 10x, 0.5x; max does not wait.")
@click.option(
    "--max-gap",
    type=options.Span(),
    default="5s",
    show_default=True,
    help="With --speed, the longest wait; a longer one is cut, and told.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    help="text (default), md, html, jsonl (the archived events), json (the timeline's entries).",
)
@click.option("--diff", "other", metavar="OTHER", help="Compare with another session.")
@click.option("--other-tenant", help="The other session's tenant (default: as --tenant).")
@click.option("--out", type=click.Path(path_type=Path), help="Write to a new file; - is stdout.")
@click.option("--force", is_flag=True, help="With --out, write over a file that is there.")
@options.as_json
@options.state_dir
def replay(
    *,
    session: str,
    tenant: str | None,
    full: bool,
    logs: bool,
    live: bool,
    speed: float | None,
    max_gap: timedelta,
    output_format: str | None,
    other: str | None,
    other_tenant: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Tell what happened in SESSION: turns, model calls, tools, people, errors.

    Times count from the session's first event. Whatever the agent said is printed so that it
    cannot drive your terminal. --json is --format json: one entry a line, whole. --diff says what
    changed from SESSION to OTHER, side by side in a wide terminal; 0 is its exit code either way.
    """
    from headrace.streams.metrics import prices  # noqa: PLC0415 - not for a --help

    if as_json and output_format not in {None, "json"}:
        raise click.UsageError(f"--json is --format json: leave one of them, or {output_format}")
    asked = Asked(
        session=session,
        tenant=tenant,
        format="json" if as_json else output_format or "text",
        full=full,
        logs=logs,
        live=live,
        speed=speed,
        max_gap=max_gap.total_seconds(),
    )
    _check(asked, other, other_tenant)
    settings = options.load(state_dir)
    table = prices.load(settings.prices)
    with connect(settings) as archive, opened(out, force=force) as file:
        if other is None:
            events = tell(archive, asked, table, file)
        else:
            right = replace(asked, session=other, tenant=other_tenant or tenant)
            events = tell_diff(archive, asked, right, table, file)
    if file is not sys.stdout:
        click.echo(safe_text(f"headrace: {out}: {counted(events, 'event')}"), err=True)


def _check(asked: Asked, other: str | None, other_tenant: str | None) -> None:
    paced = asked.live or asked.speed is not None
    if asked.live and asked.speed is not None:
        raise click.UsageError("--follow tells it as it happens: leave --speed")
    if paced and asked.format not in STREAMS:
        raise click.UsageError(f"{asked.format} needs the whole session: no --follow, no --speed")
    if asked.logs and (paced or other is not None or asked.format == "jsonl"):
        raise click.UsageError("--logs goes with none of --follow, --speed, --diff and jsonl")
    if other is None and other_tenant is not None:
        raise click.UsageError("--other-tenant is of --diff OTHER")
    if other is not None and (paced or asked.format == "jsonl"):
        raise click.UsageError("--diff compares whole sessions: no --follow, --speed or jsonl")
