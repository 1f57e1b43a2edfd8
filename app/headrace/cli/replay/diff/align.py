"""Put two sequences side by side.

What is the same at both ends is paired first, then what is the same and stands once on each side
(the longest such chain, as in a patience diff), and so on between those. What is left between two
of them is small as a rule, and paired at best by dynamic programming; where it is not, it is cut
into slices. So the cost is bounded: about n log n, and ``SLICE`` squared for each slice.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple

SLICE: Final = 80
"""Items of each side that are compared each with each."""
MOST_ROUNDS: Final = 12
"""Of looking for chains within what lies between the links of a chain."""


class Key(NamedTuple):
    """What an item is aligned by."""

    kind: Hashable
    """Only items of one kind are paired."""
    whole: Hashable
    """Items of one kind and whole are the same, and are paired first."""


Pair = tuple[int | None, int | None]
"""Places in the left and the right sequence; None: the other one has no partner."""
_Block = tuple[int, int, int, int]


def align(left: Sequence[Key], right: Sequence[Key]) -> list[Pair]:
    """Return every place of both sides once, in order, paired where they belong together."""
    return list(_Aligner(left, right).block((0, len(left), 0, len(right)), MOST_ROUNDS))


class _Aligner:
    def __init__(self, left: Sequence[Key], right: Sequence[Key]) -> None:
        self._left = left
        self._right = right

    def block(self, block: _Block, rounds: int) -> Iterator[Pair]:
        a, b, c, d = block
        while a < b and c < d and self._left[a] == self._right[c]:
            yield a, c
            a, c = a + 1, c + 1
        end, end_right = b, d
        while a < b and c < d and self._left[b - 1] == self._right[d - 1]:
            b, d = b - 1, d - 1
        yield from self._between((a, b, c, d), rounds)
        yield from zip(range(b, end), range(d, end_right), strict=True)

    def _between(self, block: _Block, rounds: int) -> Iterator[Pair]:
        a, b, c, d = block
        chain = self._chain(block) if rounds and a < b and c < d else []
        if not chain:
            yield from self._sliced(block)
            return
        for i, j in [*chain, (b, d)]:
            yield from self.block((a, i, c, j), rounds - 1)
            if (i, j) != (b, d):
                yield i, j
            a, c = i + 1, j + 1

    def _chain(self, block: _Block) -> list[tuple[int, int]]:
        """Return the longest chain, in order on both sides, of what stands once on each."""
        a, b, c, d = block
        here, there = Counter(self._left[a:b]), Counter(self._right[c:d])
        at = {self._right[j]: j for j in range(c, d)}
        links = [
            (i, at[key])
            for i in range(a, b)
            if here[key := self._left[i]] == 1 and there.get(key) == 1
        ]
        return _rising(links)

    def _sliced(self, block: _Block) -> Iterator[Pair]:
        a, b, c, d = block
        count = max(1, -(-(b - a) // SLICE), -(-(d - c) // SLICE))
        for k in range(count):
            rows = range(a + (b - a) * k // count, a + (b - a) * (k + 1) // count)
            columns = range(c + (d - c) * k // count, c + (d - c) * (k + 1) // count)
            yield from self._best(rows, columns)

    def _best(self, rows: range, columns: range) -> Iterator[Pair]:
        """Pair what belongs together so that the sum of likeness is greatest."""
        if not rows or not columns:
            yield from ((i, None) for i in rows)
            yield from ((None, j) for j in columns)
            return
        scores = self._scores(rows, columns)
        i = j = 0
        while i < len(rows) and j < len(columns):
            like = self._likeness(rows[i], columns[j])
            if like and scores[i][j] == like + scores[i + 1][j + 1]:
                yield rows[i], columns[j]
                i, j = i + 1, j + 1
            elif scores[i][j] == scores[i + 1][j]:
                yield rows[i], None
                i += 1
            else:
                yield None, columns[j]
                j += 1
        yield from ((k, None) for k in rows[i:])
        yield from ((None, k) for k in columns[j:])

    def _scores(self, rows: range, columns: range) -> list[list[int]]:
        """Return for each two places the best that can follow from there."""
        scores = [[0] * (len(columns) + 1) for _ in range(len(rows) + 1)]
        for i in reversed(range(len(rows))):
            here, below = scores[i], scores[i + 1]
            for j in reversed(range(len(columns))):
                like = self._likeness(rows[i], columns[j])
                here[j] = max(below[j], here[j + 1], like + below[j + 1] if like else 0)
        return scores

    def _likeness(self, i: int, j: int) -> int:
        left, right = self._left[i], self._right[j]
        if left.kind != right.kind:
            return 0
        return 3 if left.whole == right.whole else 1


def _rising(links: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest part of the links in which the second rises, too."""
    ends: list[int] = []
    places: list[int] = []
    before: list[int] = []
    for number, (_, j) in enumerate(links):
        length = bisect_left(ends, j)
        before.append(places[length - 1] if length else -1)
        # Appends where it is longer than any so far, else replaces.
        ends[length : length + 1] = [j]
        places[length : length + 1] = [number]
    chain: list[tuple[int, int]] = []
    at = places[-1] if places else -1
    while at >= 0:
        chain.append(links[at])
        at = before[at]
    return chain[::-1]
