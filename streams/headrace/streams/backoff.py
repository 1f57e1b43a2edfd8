"""Waiting longer after each failure, never for long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Doubles from ``first`` to ``longest`` seconds; each wait is that or up to half less."""

    first: float = 0.1
    longest: float = 5.0
    uniform: Callable[[float, float], float] = field(default=random.uniform)
    _next: float = field(default=0.0, init=False)

    def reset(self) -> None:
        self._next = 0.0

    def wait(self) -> float:
        """Return how many seconds to wait now."""
        self._next = min(self.longest, self._next * 2 or self.first)
        # Workers that failed together must not come back together.
        return self.uniform(self._next / 2, self._next)
