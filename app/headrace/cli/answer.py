"""What a query of the user's answers: as a table, or in any of ClickHouse's formats."""

from __future__ import annotations

import codecs
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.output import print_table, say
from headrace.cli.text import one_line, safe_text

TABLE_ROWS: Final = 1_000
"""A table is laid out in memory, so it ends here; the formats stream without end."""
TABLE_FORMAT: Final = "JSONCompactStringsEachRowWithNamesAndTypes"
"""Every value as ClickHouse itself writes it: no conversion of ours can lie."""

_PLAIN_NULL: Final = {"output_format_pretty_grid_charset": "ASCII"}
"""By it ClickHouse chooses how it writes NULL as text: in letters, or in raised ones."""

_NUMBER: Final = re.compile(r"(Nullable\()?(U?Int|Float|Decimal)")


def print_answer(
    archive: Archive, query: str, bound: Mapping[str, str], output_format: str | None
) -> int:
    """Run a query and print what it answers; a table where no format is given.

    Returns how many rows the table has, 0 for a format. What a terminal must not see is escaped on
    a terminal and untouched in a pipe. Raises :class:`CommandError`.
    """
    if output_format:
        _copy(archive.raw(query, bound, output_format))
        return 0
    return _table(_lines(archive.raw(query, bound, TABLE_FORMAT, archive.settable(_PLAIN_NULL))))


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


def _table(lines: Iterator[list[Any]]) -> int:
    names = next(lines, None)
    if names is None:
        return 0
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
    return len(rows)
