"""A comparison for a terminal: side by side where it is wide enough, else one below the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console

from headrace.cli.replay.diff.compare import EXTRA, MISSING, SAME, Diff, Row
from headrace.cli.replay.diff.report import divergences, sums_table, verdict
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.show import Line, Page, date_text, is_allowance, lines
from headrace.cli.replay.story import Story
from headrace.cli.text import safe_text

WIDE: Final = 130
"""Columns from which on two timelines fit beside each other."""
CONTEXT: Final = 2
"""Rows that are shown around what differs."""
_GUTTER: Final = 3
_STYLES: Final = {SAME: "dim", MISSING: "red", EXTRA: "green"}
_SIGNS: Final = {SAME: " ", MISSING: "<", EXTRA: ">"}


def show(diff: Diff, page: Page, *, full: bool) -> None:
    """Print a comparison."""
    for line in heading(diff):
        page.print(line)
    wide = page.wrap is not None and page.wrap.width >= WIDE
    for line in (
        beside(diff, page.wrap.width, full=full)
        if wide and page.wrap
        else unified(diff, full=full, width=page.wrap.width if page.wrap else None)
    ):
        page.print(line)


def heading(diff: Diff) -> Iterator[Line]:
    """Yield whose sessions they are, their sums, and where they first part."""
    for sign, style, story in (("---", "red", diff.left), ("+++", "green", diff.right)):
        yield ((f"{sign} {_name(story)}", f"bold {style}"),)
    table = [("", "left", "right", "difference"), *sums_table(diff)]
    widths = [max(cell_len(row[at]) for row in table) for at in range(4)]
    for name, *cells in table:
        padded = (f"{cell:>{width}}" for cell, width in zip(cells, widths[1:], strict=True))
        yield ((f"    {name:<{widths[0]}}  {'  '.join(padded)}".rstrip(), "dim"),)
    yield ((verdict(diff), "bold"),)
    for _, sentence in divergences(diff):
        yield ((sentence, "yellow"),)
    yield (("", ""),)


def _name(story: Story) -> str:
    about = story.about
    return f"session {safe_text(about.session)}, tenant {safe_text(about.tenant)}, " + date_text(
        story.start
    )


def unified(diff: Diff, *, full: bool, width: int | None = None) -> Iterator[Line]:
    """Yield rows below each other: ``-`` is the left one's, ``+`` the right one's.

    They are wrapped to ``width`` columns; None: not at all.
    """
    wrap = None if width is None else Console(width=width - 1)  # less the sign
    for row in _folded(diff.rows, full=full):
        if isinstance(row, int):
            yield ((f"   … {row:,} the same", "dim"),)
        elif row.status == SAME:
            yield from _signed(" ", "dim", row.left, diff.left, full=full, wrap=wrap)
        else:
            if row.left is not None and row.right is not None:
                yield ((f"@ {row.status}", "yellow"),)
            yield from _signed("-", "red", row.left, diff.left, full=full, wrap=wrap)
            yield from _signed("+", "green", row.right, diff.right, full=full, wrap=wrap)


def _signed(
    sign: str,
    style: str,
    entry: Entry | None,
    story: Story,
    *,
    full: bool,
    wrap: Console | None,
) -> Iterator[Line]:
    if entry is not None:
        for line in lines(entry, story.start, full=full, wrap=wrap):
            yield ((sign + "".join(text for text, _ in line), style),)


def beside(diff: Diff, width: int, *, full: bool) -> Iterator[Line]:
    """Yield rows beside each other, each half as wide as fits."""
    half = Console(width=(width - _GUTTER) // 2)
    blank = " " * half.width
    for row in _folded(diff.rows, full=full):
        if isinstance(row, int):
            yield ((f"   … {row:,} the same", "dim"),)
            continue
        style, sign = _STYLES.get(row.status, "yellow"), _SIGNS.get(row.status, "|")
        if row.left is not None and row.right is not None and row.status != SAME:
            yield ((f"   {row.status}:", style),)
        halves = (
            _half(row.left, diff.left, half, full=full),
            _half(row.right, diff.right, half, full=full),
        )
        for left, right in zip_longest(*halves, fillvalue=blank):
            yield ((f"{left} {sign} {right}".rstrip(), style),)


def _half(entry: Entry | None, story: Story, half: Console, *, full: bool) -> list[str]:
    return [set_cell_size(line, half.width) for line in _narrow(entry, story, half, full=full)]


def _narrow(entry: Entry | None, story: Story, half: Console, *, full: bool) -> Iterator[str]:
    if entry is None:
        return
    for line in lines(entry, story.start, full=full, wrap=half):
        yield "".join(text for text, _ in line)


def _folded(rows: Iterable[Row], *, full: bool) -> Iterator[Row | int]:
    """Yield rows; in place of a long run of the same, how many they are. No allowed calls."""
    run: list[Row] = []
    head = 0
    for row in rows:
        if row.status == SAME and not full:
            if row.left is None or not is_allowance(row.left):
                run.append(row)
            continue
        yield from _run(run, head, CONTEXT)
        run, head = [], CONTEXT
        yield row
    yield from _run(run, head, 0)


def _run(run: list[Row], head: int, tail: int) -> Iterator[Row | int]:
    hidden = len(run) - head - tail
    if hidden <= 1:
        yield from run
        return
    yield from run[:head]
    yield hidden
    yield from run[len(run) - tail :]
