"""Attachments of one producer to one agent, one inside the other: the innermost records."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from typing import Any, Final

_LOCK: Final = threading.Lock()


@dataclass(eq=False)
class Place:
    """An attachment's place among those of the same agent."""

    producer: Any
    recording: bool = True
    session: str = ""
    """The session that is recorded now."""
    outer: Place | None = None
    """The next one outwards that has the same producer."""

    @property
    def continues(self) -> bool:
        """Whether the attachment around this one records the same session."""
        return self.outer is not None and self.outer.session == self.session


_PLACES: Final[weakref.WeakKeyDictionary[Any, tuple[Place, ...]]] = weakref.WeakKeyDictionary()
"""By agent, the innermost last."""


def enter(agent: Any, place: Place) -> None:
    """Take the record over from the attachment around this one."""
    with _LOCK:
        before = _PLACES.get(agent, ())
        place.outer = _innermost(before, place.producer)
        if place.outer is not None:
            place.outer.recording = False
        _PLACES[agent] = (*before, place)


def leave(agent: Any, place: Place) -> None:
    """Hand the record back, in whatever order attachments end."""
    with _LOCK:
        place.recording = False
        left = tuple(other for other in _PLACES.get(agent, ()) if other is not place)
        _PLACES[agent] = left
        if not left:
            del _PLACES[agent]
        for other in left:
            if other.outer is place:
                other.outer = place.outer
        last = _innermost(left, place.producer)
        if last is not None:
            last.recording = True


def _innermost(places: tuple[Place, ...], producer: Any) -> Place | None:
    return next((other for other in reversed(places) if other.producer is producer), None)
