"""When a delivery that failed is tried again, and when no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Uniform = Callable[[float, float], float]
"""``random.uniform``, or a test's own."""

_DOUBLINGS: Final = 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """Waits that double, each up to half shorter by chance. All in seconds."""

    first: float = 2.0
    longest: float = 600.0
    """A receiver that came back hears of its alerts within this."""
    give_up_after: float = 86_400.0
    """An alert that is a day old is history, which ``agent.alerts.log`` keeps."""

    def wait(self, tries: int, retry_after: float | None, uniform: Uniform) -> float:
        """Return how long to wait after so many tries; never less than the receiver asked for."""
        full = min(self.longest, self.first * 2 ** min(max(tries, 1) - 1, _DOUBLINGS))
        # Deliveries that failed together must not come back together.
        jittered = uniform(full / 2, full)
        if retry_after is None:
            return jittered
        return max(jittered, retry_after + uniform(0.0, self.first))
