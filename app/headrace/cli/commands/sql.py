"""``headrace sql``: query the archive."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import click

from headrace.cli import options
from headrace.cli.answer import print_answer
from headrace.cli.archive import connect
from headrace.cli.faults import CommandError

_FORMAT_CLAUSE: Final = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)


@options.command(
    'headrace sql "SELECT tenant, count() FROM sessions GROUP BY tenant"',
    "headrace sql --format CSVWithNames - < report.sql > report.csv",
    'headrace sql "SELECT * FROM turns WHERE session = {s:String}" --param s=s-1',
)
@click.argument("query")
@click.option(
    "--format", "output_format", help="Any ClickHouse output format, streamed as it comes."
)
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Bind {NAME:Type}.")
@options.state_dir
def sql(
    query: str, output_format: str | None, params: tuple[str, ...], state_dir: Path | None
) -> None:
    """Query the archive. QUERY is SQL, or - to read it from stdin.

    Prints a table of up to 1,000 rows, or whatever --format (or a FORMAT clause) asks for. What a
    terminal must not see is escaped on a terminal and untouched in a pipe.
    """
    text = sys.stdin.read() if query == "-" else query
    text, clause = _cut_format(text.strip().rstrip(";"))
    if not text:
        raise CommandError("the query is empty: see `headrace sql --help`")
    bound = _bound(params, text)
    with connect(options.load(state_dir)) as archive:
        print_answer(archive, text, bound, output_format or clause)


def _cut_format(query: str) -> tuple[str, str | None]:
    match = _FORMAT_CLAUSE.search(query)
    return (query[: match.start()], match.group(1)) if match else (query, None)


def _bound(params: tuple[str, ...], query: str) -> dict[str, str]:
    bound = {}
    for param in params:
        name, equals, value = param.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"{param!r} is not NAME=VALUE", param_hint="--param")
        if not re.search(r"\{\s*" + name + r"\s*:", query):
            raise click.BadParameter(f"the query has no {{{name}:Type}}", param_hint="--param")
        bound[name] = value
    return bound
