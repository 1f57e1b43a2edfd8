"""A comparison as Markdown: a table of sums, and the rows as a diff, which GitHub colours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from headrace.cli.replay.diff.compare import Diff
from headrace.cli.replay.diff.report import divergences, sums_table, verdict
from headrace.cli.replay.diff.text import unified
from headrace.cli.replay.markdown import fence_for, headed, inline


def write(diff: Diff, out: TextIO, *, full: bool) -> None:
    """Write a comparison."""
    out.writelines(line + "\n" for line in _lines(diff, full=full))


def _lines(diff: Diff, *, full: bool) -> Iterator[str]:
    yield from headed("Left: session", diff.left.about)
    yield from headed("Right: session", diff.right.about)
    yield "|  | left | right | difference |"
    yield "|---|---:|---:|---:|"
    for row in sums_table(diff):
        yield f"| {' | '.join(row)} |"
    yield ""
    yield f"**{verdict(diff)}**"
    yield ""
    yield from (f"- {inline(sentence)}" for _, sentence in divergences(diff))
    yield ""
    rows = ["".join(text for text, _ in line) for line in unified(diff, full=full)]
    fence = fence_for("\n".join(rows))
    yield f"{fence}diff"
    yield from rows
    yield fence
