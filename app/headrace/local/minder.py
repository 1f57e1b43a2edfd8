"""Keeps one part running: starts it, watches it, starts it again, and says what it does."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from headrace.local.child import PartFailed
from headrace.local.parts import Part

STARTING: Final = "starting"
UP: Final = "up"
UNWELL: Final = "unwell"
RESTARTING: Final = "restarting"
HELD: Final = "held"
STOPPED: Final = "stopped"

_WHILE_UNWELL_S: Final = 0.2
"""Between two probes of a part that is not well."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits, in seconds."""

    well_within: float = 90.0
    """From the start of a part until it does its work; a worker joins its group in between."""
    unwell_for: float = 60.0
    """A part that was well and then is not for so long is restarted. A rebalance takes 10 s."""
    check_every: float = 2.0
    first_backoff: float = 0.2
    longest_backoff: float = 10.0
    calm_after: float = 30.0
    """A part that ran so long starts again with the first backoff."""
    worker_stops_within: float = 20.0
    """To finish the batch in hand and commit; what it has not committed is read again."""
    server_stops_within: float = 10.0


async def _nothing() -> None:
    """Nothing to prepare."""


class Minder:
    """Minds one part, in the supervisor's event loop."""

    def __init__(
        self,
        part: Part,
        *,
        say: Callable[[str], None],
        patience: Patience,
        prepare: Callable[[], Awaitable[None]] = _nothing,
        on_down: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.part = part
        self.state = STARTING
        self.since = time.time()
        self.restarts = 0
        self.well = False
        self.trouble: str | None = None
        self.last_end = ""
        self._say = say
        self._patience = patience
        self._prepare = prepare
        self._on_down = on_down
        self._sleep = sleep
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._cause = ""
        self._failures = 0
        self._started = 0.0
        self._task: asyncio.Task[None] | None = None

    def status(self) -> dict[str, Any]:
        """Return the part's state, as ``/status.json`` gives it."""
        child = self.part.child
        running = child is not None and child.returncode is None
        return {
            "name": self.part.name,
            "state": self.state,
            "well": self.well,
            "trouble": self.trouble,
            "pid": child.pid if child is not None and running else None,
            "address": self.part.address,
            "restarts": self.restarts,
            "since": self.since,
            "last_end": self.last_end or None,
        }

    async def start(self) -> None:
        """Start the part for the first time. Raises :class:`PartFailed`."""
        await self.part.start()
        await self._prepare_or_kill()
        self._has_started()

    async def wait_well(self) -> None:
        """Wait until the part does its work. Raises :class:`PartFailed` where it does not."""
        deadline = time.monotonic() + self._patience.well_within
        while (health := await self.part.health()).trouble is not None:
            child = self.part.child
            if child is None or child.returncode is not None:
                raise PartFailed(f"{self.part.name} ended while starting; {_last_words(self.part)}")
            if time.monotonic() > deadline:
                raise PartFailed(
                    f"{self.part.name} did not begin to work within "
                    f"{self._patience.well_within:g} s: {health.trouble}; {_last_words(self.part)}"
                )
            await asyncio.sleep(0.05)
        self.well = True

    def mind(self) -> None:
        """From now on, start the part again whenever it ends or stays unwell."""
        self._task = asyncio.create_task(self._mind(), name=f"mind {self.part.name}")

    def hold(self, cause: str) -> None:
        """End the part (SIGKILL) and keep it down until :meth:`release`."""
        self._may_run.clear()
        self._cause = cause
        if self.part.child is not None:
            self.part.child.signal(signal.SIGKILL)

    def release(self) -> None:
        self._may_run.set()

    async def stop(self, timeout: float) -> None:
        """Stop minding, then stop the part: SIGTERM, and SIGKILL after ``timeout`` seconds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        child = self.part.child
        if child is not None and child.returncode is None:
            code = await child.stop(timeout)
            if code == -signal.SIGKILL:
                self._say(f"{self.part.name} did not stop within {timeout:g} s and was killed")
        self._enter(STOPPED)

    async def _mind(self) -> None:
        while True:
            child = self.part.child
            assert child is not None  # noqa: S101 - start() came before
            watch = asyncio.create_task(self._watch())
            try:
                code = await child.wait()
            finally:
                watch.cancel()
                # It may be closing a client: nothing of that is to outlive the loop.
                await asyncio.wait([watch])
            self.last_end = self._cause or _how(code)
            self._enter(RESTARTING)
            if code > 0:
                self.trouble = f"{self.last_end}; {_last_words(self.part)}"
            self._say(f"{self.part.name} {self.last_end}; restarting it")
            self._on_down()
            await self._bring_back()
            self._say(f"{self.part.name} runs again (pid {self.status()['pid']})")

    async def _bring_back(self) -> None:
        if time.monotonic() - self._started > self._patience.calm_after:
            self._failures = 0
        while True:
            if not self._may_run.is_set():
                self.state = HELD
                await self._may_run.wait()
                self.state = RESTARTING
            backoff = self._patience.first_backoff * 2.0 ** min(self._failures, 10)
            await self._sleep(min(backoff, self._patience.longest_backoff))
            self._failures += 1
            self.restarts += 1
            try:
                await self.part.start()
                await self._prepare_or_kill()
            except PartFailed as error:
                self.trouble = f"does not start: {error}"
                self._say(f"{self.part.name} {self.trouble}")
                continue
            self._has_started()
            return

    async def _watch(self) -> None:
        """Restart a part that lives but does no work."""
        last_well, patience = time.monotonic(), self._patience.well_within
        while True:
            # Right after a start it is asked often: nobody should wait for a slow round.
            await asyncio.sleep(self._patience.check_every if self.well else _WHILE_UNWELL_S)
            health = await self.part.health()
            self.trouble, self.well = health.trouble, health.trouble is None
            if self.state in {UP, UNWELL} and self.well != (self.state == UP):
                self._enter(UP if self.well else UNWELL)
            if self.well:
                patience = self._patience.unwell_for
            if self.well or health.waits:
                last_well = time.monotonic()
                continue
            if time.monotonic() - last_well > patience:
                self._cause = f"was not well for {patience:g} s ({self.trouble})"
                await self._end_unwell()

    async def _end_unwell(self) -> None:
        child = self.part.child
        if child is not None:
            child.signal(signal.SIGTERM)
            await asyncio.sleep(self._patience.server_stops_within)
            child.signal(signal.SIGKILL)

    async def _prepare_or_kill(self) -> None:
        try:
            await self._prepare()
        except BaseException as error:
            if self.part.child is not None:
                await self.part.child.kill()
            if isinstance(error, Exception):
                raise PartFailed(f"{self.part.name} is not usable: {error}") from error
            raise

    def _has_started(self) -> None:
        self._cause, self.trouble = "", None
        self._started = time.monotonic()
        self._enter(UP)

    def _enter(self, state: str) -> None:
        self.state = state
        self.since = time.time()
        if state not in {UP, UNWELL}:
            self.well, self.trouble = False, None


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _last_words(part: Part) -> str:
    return part.child.last_words() if part.child is not None else ""
