"""Which transition of each alert came last: what comes again, or too late, is passed over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

BOUND: Final = 20_000
"""Alerts that are remembered; the one idle for longest is forgotten first."""


class Latest:
    """The newest number of each id. Belongs to one thread."""

    def __init__(self) -> None:
        self._seqs: OrderedDict[str, int] = OrderedDict()

    def take(self, name: str, seq: int) -> bool:
        """Take a transition's identity in; False where it, or a later one, was taken in before."""
        if seq <= self._seqs.get(name, 0):
            return False
        self._seqs[name] = seq
        self._seqs.move_to_end(name)
        if len(self._seqs) > BOUND:
            self._seqs.popitem(last=False)
        return True

    def as_data(self) -> dict[str, int]:
        """Give it plain, the idlest first."""
        return dict(self._seqs)

    def load(self, data: Mapping[str, int]) -> None:
        self._seqs.update(data)
