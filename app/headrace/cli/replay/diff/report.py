"""A comparison in words: its sums, and where the two first part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from headrace.cli.replay.diff.compare import SAME, Diff, Row
from headrace.cli.replay.entries import Entry, duration
from headrace.cli.replay.show import as_json as entry_json
from headrace.cli.replay.show import clock_text, counted
from headrace.cli.replay.story import Story
from headrace.cli.replay.sums import Sums, money
from headrace.cli.text import safe_text

HEADLINE: Final = 160
"""Characters of a headline that is quoted."""


def sums_table(diff: Diff) -> list[tuple[str, str, str, str]]:
    """Return name, left, right and difference of each sum."""
    return [
        (name, shown(one), shown(other), _difference(one, other, shown))
        for name, shown, one, other in _sums(diff.left.sums, diff.right.sums)
    ]


def _sums(left: Sums, right: Sums) -> Iterator[tuple[str, Any, Any, Any]]:
    def count(value: float) -> str:
        return f"{value:,.0f}"

    yield "duration", duration, left.duration_s * 1000, right.duration_s * 1000
    for name in ("turns", "model_calls", "tool_calls", "retries", "errors"):
        yield name.replace("_", " "), count, getattr(left, name), getattr(right, name)
    yield "model time", duration, left.model_ms, right.model_ms
    yield "tool time", duration, left.tool_ms, right.tool_ms
    for name in ("tokens_in", "tokens_cached", "tokens_out"):
        yield name.replace("_", " "), count, getattr(left, name), getattr(right, name)
    if left.cost is not None or right.cost is not None:
        yield "cost", money, left.cost, right.cost


def _difference(one: float | None, other: float | None, shown: Any) -> str:
    if one is None or other is None or one == other:
        return ""
    sign = "+" if other > one else "-"
    return f"{sign}{shown(abs(other - one))}"


def divergences(diff: Diff) -> Iterator[tuple[int, str]]:
    """Yield the row's number and a sentence on where the two first part, safe to print.

    First in what was said or done, then, where that is elsewhere, in what was done.
    """
    first, deed = diff.first(words=True), diff.first(words=False)
    if first is not None:
        yield first[0], f"first divergence: {_said(diff, first[1])}"
    if deed is not None and deed != first:
        yield deed[0], f"first in what was done: {_said(diff, deed[1])}"


def _said(diff: Diff, row: Row) -> str:
    sides = []
    for story, entry in ((diff.left, row.left), (diff.right, row.right)):
        if entry is not None:
            sides.append(f"{_quoted(entry)} at {clock_text(entry.ts - story.start)}")
    one = row.left or row.right
    turn = "" if one is None or one.turn is None else f"turn {one.turn}, "
    if row.left is not None and row.right is not None and _quoted(row.left) == _quoted(row.right):
        here, there = row.left.ts - diff.left.start, row.right.ts - diff.right.start
        sides = [f"{_quoted(row.left)} at {clock_text(here)} and {clock_text(there)}"]
    return f"{turn}{row.status}: {' against '.join(sides)}"


def _quoted(entry: Entry) -> str:
    return safe_text(entry.headline, limit=HEADLINE)


def verdict(diff: Diff) -> str:
    """Say in one line how much is the same."""
    counts = diff.counts
    same = counts.pop(SAME, 0)
    if not counts:
        return f"the same: {counted(same, 'entry', 'entries')}"
    rest = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
    return f"{same:,} the same, {rest}"


def as_json(diff: Diff) -> dict[str, Any]:
    """Return a comparison for a script, nothing cut."""
    first, deed = diff.first(words=True), diff.first(words=False)
    return {
        "same": first is None,
        "left": _side(diff.left),
        "right": _side(diff.right),
        "counts": dict(sorted(diff.counts.items())),
        "first_divergence": first and first[0],
        "first_divergence_in_deeds": deed and deed[0],
        "rows": [
            {
                "status": row.status,
                "left": row.left and entry_json(row.left, diff.left.start),
                "right": row.right and entry_json(row.right, diff.right.start),
            }
            for row in diff.rows
        ],
    }


def _side(story: Story) -> dict[str, Any]:
    about = story.about
    return {
        "tenant": about.tenant,
        "session": about.session,
        "started": about.start,
        "traces": list(about.traces),
        "sums": story.sums.as_json(),
    }
