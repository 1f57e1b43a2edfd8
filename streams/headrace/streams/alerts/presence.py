"""When a series was there: the stretches of its panes, without gaps that no rule minds."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from headrace.events.metrics import PANE_SECONDS


class Presence:
    """Stretches of panes. Their order and repetition make no difference. Belongs to one thread."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def add(self, start: int, gap: int) -> bool:
        """Add a pane's start (s); whether a stretch changed.

        Panes whose starts lie less than ``gap`` seconds apart are of one stretch.
        """
        firsts, lasts = self._firsts, self._lasts
        after = bisect_right(firsts, start)
        if after and start <= lasts[after - 1]:
            return False
        joins_before = after > 0 and start - lasts[after - 1] < gap
        joins_after = after < len(firsts) and firsts[after] - start < gap
        if joins_before and joins_after:
            lasts[after - 1] = lasts.pop(after)
            firsts.pop(after)
        elif joins_before:
            lasts[after - 1] = start
        elif joins_after:
            firsts[after] = start
        else:
            firsts.insert(after, start)
            lasts.insert(after, start)
        return True

    def last(self, end: int) -> int | None:
        """Find the latest pane that starts before ``end`` (s); within a stretch, the one before."""
        at = bisect_left(self._firsts, end)
        return min(self._lasts[at - 1], end - PANE_SECONDS) if at else None

    def drop(self, before: int) -> None:
        """Drop the stretches that ended before a time (s)."""
        gone = bisect_left(self._lasts, before)
        del self._firsts[:gone], self._lasts[:gone]
