"""Whose the running code is: for log records, which come from anywhere and name nobody.

``EventProducer.bind`` enters a session, and so does a hook that sees a turn begin: agentao tells of
it in the thread that runs the turn, whichever that is, and copies the context into its tools'
threads. The innermost that was entered holds.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from headrace.producers.binding import Binding

MAX_DEPTH: Final = 32
"""Sessions entered within one another. Turns that never end must not make a chain without end."""


class Owner(Protocol):
    """What a session was entered for: a producer's journal."""

    closed: bool


@dataclass(frozen=True, slots=True)
class Entered:
    """A session in which the context is, and the one around it."""

    owner: Owner
    """What is common to all hooks of a producer."""
    binding: Binding
    before: Entered | None
    depth: int
    turn: bool
    """For the length of a turn; else of a ``with``, which leaves it itself."""


CURRENT: Final[ContextVar[Entered | None]] = ContextVar("headrace_whose", default=None)


def entered(owner: Owner, binding: Binding, *, turn: bool = False) -> Entered:
    """Return the running context's chain with one more at its head."""
    before = CURRENT.get()
    if before is not None and before.depth >= MAX_DEPTH:
        before = None
    return Entered(owner, binding, before, before.depth + 1 if before else 1, turn)


def begin_turn(owner: Owner, binding: Binding) -> None:
    """Enter a session for the length of a turn, leaving first one of it that never ended."""
    end_turn(owner, binding)
    CURRENT.set(entered(owner, binding, turn=True))


def end_turn(owner: Owner, binding: Binding) -> None:
    """Leave the turn that was entered by this binding, and all that was entered within."""
    one = CURRENT.get()
    while one is not None and one.turn:
        if one.owner is owner and one.binding is binding:
            CURRENT.set(one.before)
            return
        one = one.before


def find(owner: Owner) -> Binding | None:
    """Return whose the running code is; None where nobody said."""
    one = CURRENT.get()
    while one is not None:
        if one.owner is owner:
            return one.binding
        one = one.before
    return None


def of_others(owner: Owner) -> bool:
    """Whether the running code is another producer's, and not this one's as well.

    One that was closed in the middle of a turn has no code any more.
    """
    others = False
    one = CURRENT.get()
    while one is not None:
        if one.owner is owner:
            return False
        others = others or not one.owner.closed
        one = one.before
    return others
