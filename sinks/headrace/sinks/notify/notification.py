"""What one receiver is told at once: the transitions of one group of alerts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from headrace.events.errors import Poison

Transition = Mapping[str, Any]
"""One record of ``agent.alerts.log``."""

TransitionId = tuple[str, int]
"""An alert's id and the number of the transition within it."""

TOLD = frozenset({"firing", "resolved"})
"""The states that receivers hear of."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Transitions of one group, for one receiver.

    ``group_key`` tells the group from every other (any text), ``group_labels`` are what its alerts
    have in common by the receiver's grouping; ``number`` counts the notifications of a group, so
    that what is told again after a while is another delivery. Raises
    :class:`~headrace.events.errors.Poison` if a transition has no identity.
    """

    receiver: str
    group_key: str
    group_labels: Mapping[str, str]
    transitions: tuple[Transition, ...]
    number: int = 1
    ids: tuple[TransitionId, ...] = field(init=False)
    """The identities of the transitions, sorted, each once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ids", tuple(sorted({identity(t) for t in self.transitions})))

    @property
    def delivery_id(self) -> str:
        """The same for the same notification, whoever computes it and whenever.

        Receivers get it as ``webhook-id``. It holds no full stop, since that parts what is signed.
        """
        named = orjson.dumps([self.receiver, self.group_key, self.number, self.ids])
        return f"msg_{hashlib.sha256(named).hexdigest()[:32]}"

    def current(self) -> list[Transition]:
        """Return the latest transition of each alert, in the order in which alerts came first.

        Leaves out what receivers do not hear of.
        """
        return [t for t in latest(self.transitions) if t.get("state") in TOLD]


def identity(transition: Transition) -> TransitionId:
    """Return ``(id, seq)``. Raises :class:`~headrace.events.errors.Poison` without one."""
    found, seq = transition.get("id"), transition.get("seq")
    if isinstance(found, str) and found and isinstance(seq, int):
        return found, seq
    raise Poison("a transition without an id and a seq")


def latest(transitions: Iterable[Transition]) -> list[Transition]:
    """Return each alert's transition with the greatest ``seq``."""
    found: dict[str, Transition] = {}
    for transition in transitions:
        alert, seq = identity(transition)
        if alert not in found or seq > identity(found[alert])[1]:
            found[alert] = transition
    return list(found.values())
