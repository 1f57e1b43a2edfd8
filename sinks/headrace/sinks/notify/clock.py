"""The time, so that a test can drive it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

import anyio


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        """Return once the event is set or the seconds are over (None: never over)."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    async def wait(self, event: asyncio.Event, seconds: float | None) -> None:
        with anyio.move_on_after(seconds):
            await event.wait()
