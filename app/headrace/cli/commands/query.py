"""``headrace query``: the questions that people ask, each as plain SQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from headrace.cli import options
from headrace.cli.answer import print_answer
from headrace.cli.archive import connect
from headrace.cli.output import print_json, print_table, say
from headrace.cli.query.library import Choice, every, named


@click.group()
def query() -> None:
    """Ask the questions that people ask. Each is plain SQL that can be copied."""


@query.command(
    "list",
    cls=options.Command,
    examples=("headrace query list", "headrace query list --json | jq -r .name"),
)
@options.as_json
def list_queries(as_json: bool) -> None:
    """List the queries with the question that each answers."""
    if as_json:
        for one in every():
            print_json({"name": one.name, "question": one.question, "remarks": one.remarks})
        return
    print_table(("name", "question"), [(one.name, one.question) for one in every()])


def _choice(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that make a :class:`Choice`."""
    for option in (
        click.option("--limit", type=click.IntRange(1, 1_000_000), help="How many rows."),
        options.until(),
        options.since(otherwise="7d"),
        options.tenant,
    ):
        function = option(function)
    return function


@query.command(
    "show",
    cls=options.Command,
    examples=(
        "headrace query show slowest-tools",
        "headrace query show call-loops --tenant acme --since 1d | clickhouse client",
    ),
)
@click.argument("name")
@_choice
def show_query(name: str, **choice: Any) -> None:
    """Print the SQL of NAME, to be copied."""
    click.echo(named(name).sql(Choice(**choice)))


@query.command(
    "run",
    cls=options.Command,
    examples=(
        "headrace query run slowest-tools",
        "headrace query run cost-by-model --tenant acme --since 30d",
        "headrace query run cache-hit-rate --format CSVWithNames > hours.csv",
    ),
)
@click.argument("name")
@_choice
@click.option(
    "--format", "output_format", help="Any ClickHouse output format, streamed as it comes."
)
@options.as_json
@options.state_dir
def run_query(
    name: str,
    output_format: str | None,
    as_json: bool,
    state_dir: Path | None,
    **choice: Any,
) -> None:
    """Run NAME on the archive and print a table. --json prints one row a line."""
    one = named(name)
    wanted = output_format or ("JSONEachRow" if as_json else None)
    if wanted is None:
        say(one.question, "bold")
        if one.remarks:
            say(one.remarks, "dim")
    with connect(options.load(state_dir)) as archive:
        rows = print_answer(archive, one.sql(Choice(**choice)), {}, wanted)
    if wanted is None and not rows:
        say("nothing in that time: widen --since, or see `headrace sessions`")
