"""What a worker runs: one Faust app and what the worker must know of it."""

from __future__ import annotations

import asyncio
from typing import Protocol, runtime_checkable

import faust


class Processor(Protocol):
    """One stream processor. Made on the loop that runs it."""

    @property
    def name(self) -> str: ...
    @property
    def app(self) -> faust.App: ...
    @property
    def failed(self) -> asyncio.Future[Exception]:
        """Done when the processor cannot go on; its result is why.

        The worker then exits without acknowledging what was in work.
        """
        ...

    @property
    def waiting_for_sink(self) -> bool:
        """Whether it is retrying: then it is the sink that must move, not the processor."""
        ...

    async def sink_healthy(self) -> bool: ...

    async def close(self) -> None:
        """Release what is not the app's."""
        ...


@runtime_checkable
class Explaining(Protocol):
    """A processor that can say what it waits for."""

    @property
    def waits_for(self) -> str | None:
        """One line that says what to do. None: it does not wait."""
        ...


def fail(failed: asyncio.Future[Exception], error: Exception) -> None:
    """Say why a processor cannot go on. The first reason stands."""
    if not failed.done():
        failed.set_result(error)
