"""A span that was closed, where in the source that was, and which of them are written."""

from __future__ import annotations

from typing import NamedTuple


class Place(NamedTuple):
    """Where in the source a span was closed."""

    offset: int
    after: int
    """1: by the record at the offset; 0: before it, by silence."""


class Made(NamedTuple):
    """A span that was closed, as it is to be written."""

    place: Place
    id: str
    kind: str
    abandoned: str | None
    tenant: str
    session: str
    user: str
    value: bytes


class Written:
    """What stands in agent.spans: all that was closed before a place, and some of that there.

    Whoever writes does so in the order of places. Not shared between tasks.
    """

    def __init__(self) -> None:
        self.place = Place(-1, 0)
        self._ids: set[str] = set()

    def add(self, place: Place, span: str) -> None:
        if place > self.place:
            self.place, self._ids = place, set()
        if place == self.place:
            self._ids.add(span)

    def has(self, place: Place, span: str) -> bool:
        return place < self.place or (place == self.place and span in self._ids)
