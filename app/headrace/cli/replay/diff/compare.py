"""Compare two sessions: turns are aligned first, then the entries within them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headrace.cli.replay.diff.align import Key, Pair, align
from headrace.cli.replay.diff.keys import ENDS_OF_TOOLS, Compared, compared
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.story import Story, turns
from headrace.cli.replay.sums import CALL_COMPLETED

SAME: Final = "same"
MISSING: Final = "missing"
EXTRA: Final = "extra"
WORDS: Final = frozenset({"user", "text", "thinking"})
"""What is said: it differs between most runs, and need not change what is done."""


@dataclass(frozen=True, slots=True)
class Row:
    """Two entries that belong together, or one that has no partner."""

    left: Entry | None
    right: Entry | None
    status: str
    """same, missing (on the right), extra (there), or what changed: ``args changed``."""

    @property
    def kind(self) -> str:
        one = self.left or self.right
        return one.kind if one else ""


@dataclass(frozen=True, slots=True)
class Diff:
    """Two sessions side by side."""

    left: Story
    right: Story
    parts: list[list[Row]]
    """A turn, or what lies between two. In the order of both sides."""

    @property
    def rows(self) -> Iterator[Row]:
        for part in self.parts:
            yield from part

    @property
    def counts(self) -> Counter[str]:
        """Rows by status."""
        return Counter(row.status for row in self.rows)

    def first(self, *, words: bool) -> tuple[int, Row] | None:
        """Return the first row that is not the same, with its number; without words, of deeds."""
        for number, row in enumerate(self.rows):
            if row.status != SAME and (words or row.kind not in WORDS):
                return number, row
        return None


def compare(left: Story, right: Story) -> Diff:
    """Compare two sessions. Bounded: half a second for 10,000 entries on each side."""
    ours, theirs = _Side(left.entries), _Side(right.entries)
    parts = []
    for i, j in align(ours.keys, theirs.keys):
        a = range(0) if i is None else ours.ranges[i]
        b = range(0) if j is None else theirs.ranges[j]
        parts.append(list(_rows(ours, theirs, a, b)))
    return Diff(left, right, parts)


class _Side:
    """A session's entries, what is compared of them, and its turns."""

    def __init__(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.compared = compared(entries)
        self.ranges: list[range] = []
        self.keys: list[Key] = []
        at = 0
        for part in turns(entries):
            self.ranges.append(range(at, at + len(part)))
            at += len(part)
            asked = next((one.body for one in part if one.kind == "user"), None)
            self.keys.append(Key(part[0].kind == "turn", asked))


def _rows(ours: _Side, theirs: _Side, a: range, b: range) -> Iterator[Row]:
    left = [ours.compared[i].key for i in a]
    right = [theirs.compared[j].key for j in b]
    for pair in align(left, right):
        yield _row(ours, theirs, a, b, pair)


def _row(ours: _Side, theirs: _Side, a: range, b: range, pair: Pair) -> Row:
    i, j = pair
    one = None if i is None else a[i]
    other = None if j is None else b[j]
    if one is None or other is None:
        left = None if one is None else ours.entries[one]
        right = None if other is None else theirs.entries[other]
        return Row(left, right, MISSING if right is None else EXTRA)
    left, right = ours.entries[one], theirs.entries[other]
    return Row(left, right, _status(left, ours.compared[one], theirs.compared[other]))


def _status(entry: Entry, one: Compared, other: Compared) -> str:
    if one.key != other.key and entry.type not in ENDS_OF_TOOLS:
        if entry.kind in {"tool", "ask"}:
            return "args changed"
        if entry.type == CALL_COMPLETED:
            return "model changed"
        return "text changed" if entry.kind in WORDS else "changed"
    return SAME if one.result == other.result else "result changed"
