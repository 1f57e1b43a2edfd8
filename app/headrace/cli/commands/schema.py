"""``headrace schema``: the migrations of the ClickHouse database."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

import click

from headrace.cli import options
from headrace.cli.output import print_json, print_table, say

APPLIED: Final = "applied"


@click.group()
def schema() -> None:
    """Apply the ClickHouse migrations, or list them."""


@schema.command(cls=options.Command, examples=("headrace schema apply",))
@options.as_json
@options.state_dir
def apply(as_json: bool, state_dir: Path | None) -> None:
    """Apply what is missing. Safe to run twice, and from two places at once."""
    from headrace.sinks import schema as migrations  # noqa: PLC0415 - clickhouse-connect is slow

    applied = migrations.apply(options.load(state_dir).need_clickhouse())
    names = [f"{migration.number:04}_{migration.name}" for migration in applied]
    if as_json:
        print_json({"applied": names})
        return
    for name in names:
        say(f"applied {name}")
    if not names:
        say("nothing to apply: the schema is current")


@schema.command(cls=options.Command, examples=("headrace schema status --json",))
@options.as_json
@options.state_dir
def status(as_json: bool, state_dir: Path | None) -> int:
    """List the migrations and whether each is applied. Exit code 1 when one is not."""
    from headrace.sinks import schema as migrations  # noqa: PLC0415 - clickhouse-connect is slow

    states = {
        f"{one.number:04}_{one.name}": _state(one.applied_at, one.changed)
        for one in migrations.status(options.load(state_dir).need_clickhouse())
    }
    if as_json:
        print_json(states)
    else:
        print_table(("migration", "state"), states.items())
    return 0 if set(states.values()) <= {APPLIED} else 1


def _state(applied_at: datetime | None, changed: bool) -> str:
    if applied_at is None:
        return "missing"
    return "of another version" if changed else APPLIED
