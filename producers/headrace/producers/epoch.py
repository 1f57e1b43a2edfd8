"""Epochs: the numbering of one session's events by one producer in one process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from headrace.events.identity import new_epoch

NO_TURN: Final = b',"ts":'
MAX_SPANS: Final = 64
"""Spans of dropped numbers that an epoch keeps apart; further ones widen the last."""


@dataclass(slots=True)
class DroppedSpan:
    """``count`` dropped numbers that all lie in ``first_seq..last_seq``."""

    reason: str
    first_seq: int
    last_seq: int
    count: int

    def as_data(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "first_seq": self.first_seq,
            "last_seq": self.last_seq,
            "count": self.count,
        }


class Epoch:
    """One epoch's counters. Changed only under its journal's lock."""

    __slots__ = (
        "call_started",
        "dropped",
        "id",
        "last_ts",
        "open",
        "seq",
        "session",
        "spans",
        "turn",
        "turn_part",
        "turn_started",
    )

    def __init__(self, session: str, now: float) -> None:
        self.session = session
        self.id = new_epoch()
        self.open = True
        self.seq = 0
        self.turn = 0
        self.turn_part = NO_TURN
        """``,"turn":N,"ts":``, without the turn while none is running."""
        self.turn_started = 0.0
        self.call_started = 0.0
        self.last_ts = now
        self.dropped: dict[str, int] = {}
        self.spans: list[DroppedSpan] = []
        """Drops that the stream has not been told of yet."""

    def begin_turn(self, now: float) -> None:
        """Count a turn up. ``now`` is monotonic."""
        self.turn += 1
        self.turn_part = b',"turn":%d%b' % (self.turn, NO_TURN)
        self.turn_started = now

    def end_turn(self) -> float:
        """Leave the turn; when it began, 0 where none was running."""
        started, self.turn_started = self.turn_started, 0.0
        self.turn_part = NO_TURN
        return started

    def drop(self, seq: int, reason: str) -> None:
        """Remember that a drawn number was given up."""
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        last = self.spans[-1] if self.spans else None
        if (
            last
            and last.reason == reason
            and (last.last_seq == seq - 1 or len(self.spans) >= MAX_SPANS)
        ):
            last.last_seq = seq
            last.count += 1
            return
        self.spans.append(DroppedSpan(reason, seq, seq, 1))


class Epochs:
    """The open epochs by session. Bounded; changed only under the journal's lock."""

    def __init__(self, *, max_sessions: int, idle_seconds: float) -> None:
        self._max = max_sessions
        self._idle = idle_seconds
        self._open: dict[str, Epoch] = {}

    def get(self, session: str, now: float) -> Epoch:
        """Return the session's epoch, a new one where it has none."""
        epoch = self._open.get(session)
        if epoch is None:
            epoch = self._open[session] = Epoch(session, now)
        return epoch

    def idle(self, now: float) -> list[Epoch]:
        """Take out the epochs that have been idle too long, and the most idle of too many."""
        by_idleness = sorted(self._open.values(), key=lambda epoch: epoch.last_ts)
        # A tenth more than the surplus, so that a full house does not sort for every newcomer.
        surplus = len(by_idleness) - self._max * 9 // 10 if self.full() else 0
        out = [
            epoch
            for position, epoch in enumerate(by_idleness)
            if position < surplus or now - epoch.last_ts >= self._idle
        ]
        for epoch in out:
            del self._open[epoch.session]
        return out

    def full(self) -> bool:
        return len(self._open) > self._max

    def pop(self, session: str) -> Epoch | None:
        return self._open.pop(session, None)

    def all(self) -> list[Epoch]:
        return list(self._open.values())

    def clear(self) -> None:
        """Forget all: after fork they are the parent's."""
        for epoch in self._open.values():
            epoch.open = False
        self._open.clear()
