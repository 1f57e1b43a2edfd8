"""Sets of sequence numbers as sorted, disjoint, inclusive ranges.

A hole of a million numbers is one pair here, so that accounting costs what is wrong, not what was
recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Range = tuple[int, int]
Ranges = tuple[Range, ...]


def normalize(ranges: Iterable[Range]) -> Ranges:
    """Sort, join what touches or overlaps, leave out what is empty."""
    joined: list[Range] = []
    for first, last in sorted(pair for pair in ranges if pair[0] <= pair[1]):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def of(numbers: Iterable[int]) -> Ranges:
    """Return the ranges that hold exactly these numbers."""
    return normalize((number, number) for number in numbers)


def size(ranges: Ranges) -> int:
    """Count the numbers in there."""
    return sum(last - first + 1 for first, last in ranges)


def intersect(left: Ranges, right: Ranges) -> Ranges:
    """Return what is in both. Linear in the number of ranges."""
    return tuple(_overlaps(left, right))


def _overlaps(left: Ranges, right: Ranges) -> Iterator[Range]:
    i = j = 0
    while i < len(left) and j < len(right):
        first = max(left[i][0], right[j][0])
        last = min(left[i][1], right[j][1])
        if first <= last:
            yield first, last
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1


def subtract(left: Ranges, right: Ranges) -> Ranges:
    """Return what is in ``left`` alone."""
    kept: list[Range] = []
    j = 0
    for first, last in left:
        at = first
        while j < len(right) and right[j][1] < at:
            j += 1
        k = j
        while k < len(right) and right[k][0] <= last:
            if right[k][0] > at:
                kept.append((at, right[k][0] - 1))
            at = right[k][1] + 1
            k += 1
        if at <= last:
            kept.append((at, last))
    return tuple(kept)
