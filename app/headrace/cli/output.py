"""How commands print: tables and lines for people, JSON for scripts.

Strings are never parsed as markup, so an agent's ``[red]`` or ``[link=…]`` prints as it stands.
Colour only on a terminal and without ``NO_COLOR`` (rich's own rule).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headrace.cli.text import safe_json, safe_text

PIPE_WIDTH: Final = 10_000
"""Columns where nobody looks: a script's grep must find whole cells."""


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
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    right: Iterable[str] = (),
) -> None:
    """Print a table of safe cells. ``right`` names the columns with numbers."""
    table = Table(title=None if title is None else Text(safe_text(title)), title_justify="left")
    numbers = set(right)
    for name in columns:
        heading = Text(safe_text(name))
        table.add_column(heading, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    console().print(table)


def cell(value: object) -> str:
    """Return a value as a safe table cell: nothing for None, thousands apart, one line."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return safe_text(value)
