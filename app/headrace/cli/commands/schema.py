"""``headrace schema``: the migrations of the ClickHouse database."""

from __future__ import annotations

from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json, print_table, say


@click.group()
def schema() -> None:
    """Apply the ClickHouse migrations, or list them."""


@schema.command(cls=options.Command, examples=("headrace schema apply",))
@options.as_json
@options.state_dir
def apply(as_json: bool, state_dir: Path | None) -> None:
    """Apply what is missing. Safe to run twice, and from two places at once."""
    from headrace.sinks import schema as migrations  # noqa: PLC0415 - clickhouse-connect is slow

    applied = migrations.apply(options.load(state_dir))
    if as_json:
        print_json({"applied": [migration.name for migration in applied]})
        return
    for migration in applied:
        say(f"applied {migration.name}")
    if not applied:
        say("nothing to apply: the schema is current")


@schema.command(cls=options.Command, examples=("headrace schema status --json",))
@options.as_json
@options.state_dir
def status(as_json: bool, state_dir: Path | None) -> int:
    """List the migrations and whether each is applied. Exit code 1 when one is missing."""
    from headrace.sinks import schema as migrations  # noqa: PLC0415 - clickhouse-connect is slow

    states = migrations.status(options.load(state_dir))
    if as_json:
        print_json({state.migration.name: state.applied for state in states})
    else:
        rows = [
            (state.migration.name, "applied" if state.applied else "missing") for state in states
        ]
        print_table(("migration", "state"), rows)
    return 0 if all(state.applied for state in states) else 1
