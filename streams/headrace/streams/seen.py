"""Which events of an epoch were counted already: the spool may send one again at a new offset."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from typing import Any, Final

Names = tuple[str, str, str]
"""Tenant, session and epoch."""

MAX_SPANS: Final = 64
"""Spans of numbers seen beyond the contiguous ones. Past it the oldest hole is given up: an event
that still fills it is not counted. Only a stream that is missing many pieces gets there."""


def mark_of(names: Names) -> str:
    """Return what is saved in place of names: a state outlives who asked to be forgotten.

    The epoch was drawn at random: nobody guesses the session by it.
    """
    text = "\0".join(names).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


class Seen:
    """The numbers of one epoch that were seen: ``1..contiguous`` and spans beyond. Not shared."""

    __slots__ = ("contiguous", "spans")

    def __init__(self, contiguous: int = 0, spans: list[list[int]] | None = None) -> None:
        self.contiguous = contiguous
        self.spans: list[list[int]] = spans or []
        """``[first, last]``, ascending, not touching each other nor ``contiguous``."""

    def add(self, seq: int) -> bool:
        """Take a number in; False where it was there before. Not for 0."""
        if seq == self.contiguous + 1:
            self.contiguous = seq
            if self.spans:
                self._close_up()
            return True
        if seq <= self.contiguous:
            return False
        return self._add_beyond(seq)

    def _close_up(self) -> None:
        while self.spans and self.spans[0][0] == self.contiguous + 1:
            self.contiguous = self.spans.pop(0)[1]

    def _add_beyond(self, seq: int) -> bool:
        spans = self.spans
        at = bisect_right(spans, seq, key=lambda span: span[0])
        before = spans[at - 1] if at else None
        if before and before[1] >= seq:
            return False
        after = spans[at] if at < len(spans) else None
        if before and before[1] == seq - 1:
            before[1] = seq
            if after and after[0] == seq + 1:
                before[1] = after[1]
                del spans[at]
        elif after and after[0] == seq + 1:
            after[0] = seq
        else:
            spans.insert(at, [seq, seq])
            if len(spans) > MAX_SPANS:
                self.contiguous = spans.pop(0)[1]
                self._close_up()
        return True

    @property
    def missing(self) -> int:
        """How many numbers below the highest one were not seen."""
        ends = [self.contiguous, *(last for _, last in self.spans)]
        return sum(first - end - 1 for (first, _), end in zip(self.spans, ends, strict=False))

    def as_data(self) -> list[Any]:
        return [self.contiguous, self.spans]
