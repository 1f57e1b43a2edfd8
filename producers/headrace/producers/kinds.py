"""What the hook must know about each event type, looked up once and kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from headrace.events import types
from headrace.producers import traceparent
from headrace.producers.limits import rank_of

PLAIN: Final = 0
TURN_BEGINS: Final = 1
TURN_ENDS: Final = 2
CALL_STARTS: Final = 3
MAY_BE_FIRST_CHUNK: Final = 4

_ROLES: Final = {
    types.TURN_BEGIN: TURN_BEGINS,
    types.TURN_END: TURN_ENDS,
    types.LLM_CALL_STARTED: CALL_STARTS,
    types.LLM_TEXT: MAY_BE_FIRST_CHUNK,
    types.THINKING: MAY_BE_FIRST_CHUNK,
}
_MAX_KNOWN: Final = 1024
"""Types remembered; a runtime that makes up more is served without memory."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One event type, ready to be written."""

    name: str
    part: bytes
    """``,"type":"…","data":``"""
    rank: int
    role: int
    frames_turn: bool
    """Whether a turn begins or ends with it."""
    trace: str | None = None
    """Of one beginning of a turn: the application's own trace, where it had one."""

    def now(self) -> Kind:
        """Return what the beginning of a turn is that comes now, in the calling context."""
        return replace(self, trace=traceparent.current())


def kind_of(name: str, rank: int | None = None) -> Kind:
    """Make the kind of a type; ``rank`` where it is not the type's own."""
    text = name.encode("utf-8", "replace").decode()
    part = b',"type":' + orjson.dumps(text) + b',"data":'
    role = _ROLES.get(name, PLAIN)
    rank = rank_of(name) if rank is None else rank
    return Kind(name, part, rank, role, role in {TURN_BEGINS, TURN_ENDS})


class Kinds:
    """Finds the :class:`Kind` of an event's ``type``: an enum member or a string.

    Members are found by object identity, since hashing an enum member runs Python code. Each is
    held on to, so that its identity cannot come to mean another.
    """

    def __init__(self) -> None:
        self.by_id: dict[int, tuple[Any, Kind]] = {}
        """By the id of the member, with the member: for whoever is in a hurry."""
        self._by_name: dict[str, Kind] = {}

    def of(self, event_type: Any) -> Kind:
        known = self.by_id.get(id(event_type))
        if known is not None:
            return known[1]
        name = str(getattr(event_type, "value", event_type))
        kind = self._by_name.get(name)
        if kind is None:
            kind = kind_of(name)
            if len(self._by_name) < _MAX_KNOWN:
                self._by_name[name] = kind
        if len(self.by_id) < _MAX_KNOWN:
            self.by_id[id(event_type)] = (event_type, kind)
        return kind
