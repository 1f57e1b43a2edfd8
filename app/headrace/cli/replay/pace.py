"""Wait between what is told as long as it took when it happened, or a part of it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import click

LEAST_TOLD: Final = 1e-3
"""Seconds of a cut that is worth a word."""


class Timed(Protocol):
    """What has a time, in seconds since 1970."""

    @property
    def ts(self) -> float: ...


T = TypeVar("T", bound=Timed)


class Speed(click.ParamType):
    """``1x`` as it happened, ``10x`` ten times as fast, ``max`` without waiting."""

    name = "speed"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, float):
            return value
        if value == "max":
            return math.inf
        if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?x", value) or not float(value[:-1]):
            self.fail(f"{value!r} is not a speed such as 1x, 10x, 0.5x or max", param, ctx)
        return float(value[:-1])


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast, and what to do about long gaps."""

    speed: float
    max_gap: float
    """The longest wait, in seconds."""
    tell: Callable[[float], None]
    """Told the recorded seconds of a gap that was cut."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def keep(self, items: Iterable[T]) -> Iterator[T]:
        """Yield each item when it is due. What our own work takes is not waited for again."""
        due = self.clock()
        last: float | None = None
        for item in items:
            gap = 0.0 if last is None else max(0.0, item.ts - last)
            last = item.ts if last is None else max(last, item.ts)
            wait = gap / self.speed
            if wait > self.max_gap + LEAST_TOLD:
                self.tell(gap)
                wait = self.max_gap
            due += wait
            if (rest := due - self.clock()) > 0:
                self.sleep(rest)
            yield item
