"""``headrace replay``: what happened in a session."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.output import print_json
from headrace.cli.replay.read import read_session
from headrace.cli.replay.show import as_json as entry_json
from headrace.cli.replay.show import show
from headrace.cli.replay.timeline import build


@options.command(
    "headrace replay s-1",
    "headrace replay s-1 --tenant acme --full | less -R",
    "headrace replay s-1 --json | jq 'select(.kind == \"tool\")'",
)
@click.argument("session")
@options.tenant
@click.option(
    "--full", is_flag=True, help="Cut no text short, and show allowed calls' permissions."
)
@options.as_json
@options.state_dir
def replay(
    session: str, tenant: str | None, full: bool, as_json: bool, state_dir: Path | None
) -> None:
    """Tell what happened in SESSION: turns, model calls, tools, people, errors.

    Times count from the session's first event. Whatever the agent said is printed so that it
    cannot drive your terminal. --json prints one entry a line, whole.
    """
    with connect(options.load(state_dir)) as archive:
        entries = build(read_session(archive, session, tenant))
        if not as_json:
            show(entries, full=full)
            return
        start = None
        for entry in entries:
            start = entry.ts if start is None else start
            print_json(entry_json(entry, start))
