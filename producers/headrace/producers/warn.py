"""Warnings that cannot become a flood: one a minute for each kind."""

from __future__ import annotations

import logging
import time
from typing import Final

LOGGER: Final = logging.getLogger("headrace.producers")
INTERVAL: Final = 60.0
"""Seconds between two warnings of one kind."""


class Warnings:
    """Logs at most one warning a minute for each kind. Safe from any thread; never raises."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}

    def __call__(self, kind: str, message: str, *args: object) -> None:
        now = time.monotonic()
        if now < self._next.get(kind, 0.0):
            return
        self._next[kind] = now + INTERVAL
        LOGGER.warning(message, *args)
