"""How commands print: tables and lines for people, JSON for scripts.

Strings are never parsed as markup, so an agent's ``[red]`` or ``[link=…]`` prints as it stands.
Colour only on a terminal and without ``NO_COLOR`` (rich's own rule).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.cli.text import safe_json, safe_text

PIPE_WIDTH: Final = 10_000
"""Columns where nobody looks: a script's grep must find whole cells."""
MOST_FRAMED_CELLS: Final = 5_000
"""Rich lays out about so many in a second."""
WHOLE_WORD: Final = 24
"""Names and times are not longer, and are not cut in a frame; ids and JSON may be."""
GAP: Final = "  "
INDENT: Final = Text("  ")


class PlainConsole(Console):
    """A console that interprets nothing, and leaves a closed pipe to :mod:`headrace.cli.main`."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """Return a console that interprets nothing. Made per call: tests and pipes swap the streams."""
    stream = sys.stderr if stderr else sys.stdout
    return PlainConsole(
        stderr=stderr,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
        width=None if stream.isatty() else PIPE_WIDTH,
    )


def say(text: object, style: str = "") -> None:
    """Print one safe line."""
    console().print(Text(safe_text(text), style=style), soft_wrap=True)


def print_json(value: Any) -> None:
    """Print one JSON object on one line."""
    print(safe_json(value))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()
) -> None:
    """Print a table of safe cells. ``right`` names the columns with numbers.

    On a terminal framed and folded to its width, or where that would cut words each row as its
    cells with their names. Else plain columns, for grep and awk; on a terminal, too, where there
    are many cells: rich takes many seconds to lay them out.
    """
    heads = [cell(name) for name in columns]
    cells = [[cell(value) for value in row] for row in rows]
    numbers = set(right)
    is_number = [name in numbers for name in columns]
    out = console()
    if not out.is_terminal or len(cells) * len(heads) > MOST_FRAMED_CELLS:
        for plain in _plain(heads, cells, is_number):
            print(plain)
        return
    least = [max(map(_longest_word, column)) for column in zip(heads, *cells, strict=True)]
    if sum(least) + 3 * len(heads) + 1 <= out.width:
        natural = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
        most = [min(width, out.width) for width in natural]
        widths = _narrowed(most, least, out.width - 3 * len(heads) - 1)
        out.print(_framed(heads, cells, is_number, widths))
        return
    for row in cells or [heads]:
        for line in _flowing(heads if cells else [""] * len(heads), row, out):
            out.print(line, soft_wrap=True)


def _longest_word(text: str) -> int:
    return min(WHOLE_WORD, max(map(cell_len, text.split()), default=0))


def _narrowed(most: list[int], least: list[int], room: int) -> list[int]:
    """Take from the widest columns, none below its least, until all fit. Rich would cut words."""
    widths = list(most)
    for _ in range(sum(most) - room):
        widest = max(range(len(widths)), key=lambda at: (widths[at] > least[at], widths[at]))
        widths[widest] -= 1
    return widths


def _framed(
    heads: list[str], cells: list[list[str]], is_number: list[bool], widths: list[int]
) -> Table:
    table = Table()
    for head, number, width in zip(heads, is_number, widths, strict=True):
        table.add_column(
            Text(head),
            justify="right" if number else "left",
            overflow="fold",
            width=width,
        )
    for row in cells:
        table.add_row(*(Text(value) for value in row))
    return table


def _plain(heads: list[str], cells: list[list[str]], is_number: list[bool]) -> Iterator[str]:
    widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    for row in (heads, ["-" * width for width in widths], *cells):
        padded = (
            " " * (width - cell_len(value)) + value
            if number
            else value + " " * (width - cell_len(value))
            for value, width, number in zip(row, widths, is_number, strict=True)
        )
        yield "  ".join(padded).rstrip()


def _flowing(heads: list[str], row: list[str], out: Console) -> Iterator[Text]:
    """Yield a row as lines of ``name: value``, all but the first indented; without empty cells.

    A cell that is longer than a line has lines of its own.
    """
    line = Text()
    for head, value in zip(heads, row, strict=True):
        if not value:
            continue
        pair = Text.assemble((f"{head}: " if head else "", "dim"), value)
        if line and line.cell_len + len(GAP) + pair.cell_len > out.width:
            yield from _folded(line, out)
            line = INDENT + pair
        else:
            line = line + GAP + pair if line else pair
    yield from _folded(line, out)


def _folded(line: Text, out: Console) -> Iterator[Text]:
    if line.cell_len <= out.width:
        yield line
        return
    first, *rest = line.wrap(out, max(1, out.width - len(INDENT)), overflow="fold")
    yield first
    yield from (INDENT + piece for piece in rest)


def cell(value: object) -> str:
    """Return a value as a safe table cell: nothing for None, thousands apart, one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return safe_text(value)
