"""``headrace sql``: query the archive."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from headrace.cli import options
from headrace.cli.archive import connect
from headrace.cli.faults import CommandError
from headrace.cli.output import print_table, say
from headrace.cli.text import one_line, safe_text

TABLE_ROWS: Final = 1_000
"""A table is laid out in memory, so it ends here; the formats stream without end."""
TABLE_FORMAT: Final = "JSONCompactStringsEachRowWithNamesAndTypes"
"""Every value as ClickHouse itself writes it: no conversion of ours can lie."""

_FORMAT_CLAUSE: Final = re.compile(r"\sFORMAT\s+(\w+)\s*;?\s*\Z", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(Nullable\()?(U?Int|Float|Decimal)")


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
        wanted = output_format or clause
        if wanted:
            _copy(archive.raw(text, bound, wanted))
        else:
            _table(_lines(archive.raw(text, bound, TABLE_FORMAT)))


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


def _copy(chunks: Iterator[bytes]) -> None:
    if not sys.stdout.isatty():
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    for chunk in chunks:
        sys.stdout.write(safe_text(decoder.decode(chunk), newlines=True))
    sys.stdout.write(safe_text(decoder.decode(b"", final=True), newlines=True))
    sys.stdout.flush()


def _lines(chunks: Iterator[bytes]) -> Iterator[list[Any]]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield _decoded(line)
    if rest.strip():
        yield _decoded(rest)


def _decoded(line: bytes) -> list[Any]:
    try:
        row: list[Any] = json.loads(line)
    except ValueError:
        # An error after the first rows: ClickHouse writes it into the answer.
        text = line.decode("utf-8", "replace")
        raise CommandError(f"ClickHouse broke off: {one_line(text)}") from None
    return row


def _table(lines: Iterator[list[Any]]) -> None:
    names = next(lines, None)
    if names is None:
        return
    types = next(lines, [""] * len(names))
    rows: list[list[Any]] = []
    for row in lines:
        if len(rows) == TABLE_ROWS:
            more = True
            break
        rows.append(row)
    else:
        more = False
    numbers = [name for name, kind in zip(names, types, strict=True) if _NUMBER.match(kind)]
    print_table(names, rows, right=numbers)
    if more:
        say(f"the first {TABLE_ROWS:,} rows: use LIMIT, or --format to stream them all", "yellow")
