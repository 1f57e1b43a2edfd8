"""``headrace replay``: what happened in a session."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.replay.out import opened
from headrace.cli.replay.pace import Speed
from headrace.cli.replay.run import STREAMS, Asked, tell

FORMATS: Final = ("text", "md", "html", "jsonl", "json")


@options.command(
    "headrace replay s-1",
    "headrace replay s-1 --tenant acme --full | less -R",
    "headrace replay s-1 --follow",
    "headrace replay s-1 --speed 10x",
    "headrace replay s-1 --format html --out s-1.html",
    "headrace replay s-1 --json | jq 'select(.kind == \"tool\")'",
)
@click.argument("session")
@options.tenant
@click.option("--full", is_flag=True, help="Cut nothing short; show allowed calls' permissions.")
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
@click.option("--out", type=click.Path(path_type=Path), help="Write to a new file; - is stdout.")
@click.option("--force", is_flag=True, help="With --out, write over a file that is there.")
@options.as_json
@options.state_dir
def replay(
    *,
    session: str,
    tenant: str | None,
    full: bool,
    live: bool,
    speed: float | None,
    max_gap: timedelta,
    output_format: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Tell what happened in SESSION: turns, model calls, tools, people, errors.

    Times count from the session's first event. Whatever the agent said is printed so that it
    cannot drive your terminal. --json is --format json: one entry a line, whole.
    """
    from headrace.streams.metrics import prices  # noqa: PLC0415 - not for a --help

    if as_json and output_format not in {None, "json"}:
        raise click.UsageError(f"--json is --format json: leave one of them, or {output_format}")
    asked = Asked(
        session=session,
        tenant=tenant,
        format="json" if as_json else output_format or "text",
        full=full,
        live=live,
        speed=speed,
        max_gap=max_gap.total_seconds(),
    )
    if live and speed is not None:
        raise click.UsageError("--follow tells it as it happens: leave --speed")
    if (live or speed is not None) and asked.format not in STREAMS:
        raise click.UsageError(f"{asked.format} needs the whole session: no --follow, no --speed")
    settings = options.load(state_dir)
    table = prices.load(settings.prices)
    with connect(settings) as archive, opened(out, force=force) as file:
        tell(archive, asked, table, file)
