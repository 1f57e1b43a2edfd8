"""How much may be dead-lettered before something else must be wrong."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from headrace.events.errors import Poison, TooManyPoisoned


@dataclass(frozen=True, slots=True)
class DeadLetterLimits:
    """Beyond either, the worker stops: a bad deploy must not send everything aside."""

    max_consecutive: int = 1_000
    """Neighbouring offsets of one partition, all refused."""
    max_ratio: float = 0.1
    """Of the last ``window`` records."""
    window: int = 10_000
    min_refused: int = 100
    """Below this many within the window the ratio says nothing."""


class LimitGuard:
    """Counts against the limits. Replaying the same records counts them once per write."""

    def __init__(self, limits: DeadLetterLimits) -> None:
        self._limits = limits
        self._runs: dict[tuple[str, int], dict[int, int]] = {}
        self._window: deque[tuple[int, int]] = deque()
        self._total = 0
        self._refused = 0

    def refused(self, poison: Poison) -> None:
        """Count one. Raises :class:`TooManyPoisoned` when its run of neighbours is too long."""
        runs = self._runs.setdefault((poison.topic, poison.partition), {})
        at = poison.offset
        if at in runs:
            return
        left = runs.get(at - 1, 0)
        right = runs.get(at + 1, 0)
        # Only the two ends of a run must know its length.
        runs[at] = runs[at - left] = runs[at + right] = left + 1 + right
        if runs[at] > self._limits.max_consecutive:
            raise self._stop(poison, f"{runs[at]} records in a row were refused")

    def written(self, count: int, poisons: list[Poison], ends: dict[tuple[str, int], int]) -> None:
        """Count a finished write of ``count`` records; ``ends`` are the last offsets it held.

        Raises :class:`TooManyPoisoned` when too large a part of the window was refused.
        """
        for key, end in ends.items():
            # A run goes on only from the last record, or lies in a later write that is under way.
            runs = self._runs.get(key, {})
            length = runs.get(end, 0)
            ends_of_run = {end: length, end - length + 1: length} if length else {}
            self._runs[key] = {at: n for at, n in runs.items() if at > end} | ends_of_run
        self._window.append((count, len(poisons)))
        self._total += count
        self._refused += len(poisons)
        while len(self._window) > 1 and self._total - self._window[0][0] >= self._limits.window:
            old_count, old_refused = self._window.popleft()
            self._total -= old_count
            self._refused -= old_refused
        if (
            self._refused >= self._limits.min_refused
            and self._refused > self._limits.max_ratio * self._total
        ):
            last = poisons[-1] if poisons else Poison("")
            raise self._stop(last, f"{self._refused} of the last {self._total} records refused")

    @staticmethod
    def _stop(poison: Poison, what: str) -> TooManyPoisoned:
        return TooManyPoisoned(
            f"{what}, the last because: {poison.reason}",
            topic=poison.topic,
            partition=poison.partition,
            offset=poison.offset,
            code=poison.code,
        )
