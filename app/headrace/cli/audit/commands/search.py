"""``headrace audit search``: find evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from headrace.cli import options
from headrace.cli.audit import choices


@options.command(
    "headrace audit search --tenant acme --user ann --since 7d",
    "headrace audit search --class approval --tool run_shell_command --open",
    "headrace audit search --tenant acme --since 2026-05-04 --until 2026-05-05 --json",
)
@choices.selecting
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many."
)
@click.option("--open", "opening", is_flag=True, help="Decrypt: needs the keys.")
@choices.who
@options.as_json
@options.state_dir
def search(
    *,
    limit: int,
    opening: bool,
    who: str,
    as_json: bool,
    state_dir: Path | None,
    **selected: Any,
) -> None:
    """Search the evidence, the latest first. --json prints one a line.

    Users and sessions stand in it by pseudonym, --open tells their names. The search is itself
    evidence: who searched for what is in Kafka before anything is shown. What ClickHouse shows is
    quick, not proven: `headrace audit export` takes it from the vault, with proofs.
    """
    from headrace.cli.audit import search as searching  # noqa: PLC0415 - clickhouse-connect is slow

    settings = options.load(state_dir)
    selection = choices.selection_of(settings, **selected)
    found = searching.search(settings, searching.Search(selection, limit, who, opening))
    if as_json:
        searching.show_json(found)
    else:
        searching.show(found)
