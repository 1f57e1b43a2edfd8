"""One OS process of the local stack: it dies with us, and what it prints goes to its log."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.events.errors import HeadraceError
from headrace.local.logs import PartLog

_GUARD: Final = str(Path(__file__).with_name("guard.py"))
_FIRST_LINES: Final = 64 * 1024
"""Bytes of output in which the ready line must stand."""


class PartFailed(HeadraceError):  # noqa: N818 - says which part, and that it failed
    """A part of the stack did not start or did not stop. The message ends with its last words."""


class Child:
    """A running process. Made by :meth:`start`; belongs to the event loop that started it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: PartLog) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._pump = asyncio.create_task(self._read(), name=f"output of {name}")

    @classmethod
    async def start(
        cls, name: str, argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path
    ) -> Child:
        """Start the command in a session of its own (a terminal's Ctrl-C is for the supervisor).

        Raises :class:`PartFailed` where the program cannot be run at all.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", _GUARD, str(os.getpid())),
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise PartFailed(f"{name} cannot be started: {error}") from None
        return cls(name, process, PartLog(log))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; -N when signal N ended it."""
        return self._process.returncode

    async def ready_line(self, timeout: float) -> dict[str, Any]:
        """Wait for the one line of JSON that a part prints when it is ready.

        Raises :class:`PartFailed` when the part ends first, or says nothing in time.
        """
        try:
            return await asyncio.wait_for(asyncio.shield(self._ready), timeout)
        except asyncio.TimeoutError:
            raise PartFailed(
                f"{self.name} was not ready within {timeout:g} s; {self.last_words()}"
            ) from None

    async def wait(self) -> int:
        """Wait until the process has ended and its output is read."""
        code = await self._process.wait()
        # A grandchild could hold the pipe open for ever.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._pump), 2.0)
        self._pump.cancel()
        self.log.close()
        return code

    async def stop(self, timeout: float) -> int:
        """SIGTERM, then SIGKILL once ``timeout`` seconds have gone by."""
        self.signal(signal.SIGTERM)
        try:
            return await asyncio.wait_for(self.wait(), timeout)
        except asyncio.TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        self.signal(signal.SIGKILL)
        return await self.wait()

    def signal(self, number: int) -> None:
        """Send a signal, unless the process is gone already. Safe from any thread."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def last_words(self) -> str:
        """One line: how its log ends, and where that is."""
        tail = self.log.last_line()
        return f"{self.log.path} ends: {tail}" if tail else f"{self.log.path} is empty"

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it is a pipe, see start()
        seen = b""
        while chunk := await stdout.read(65536):
            self.log.write(chunk)
            if not self._ready.done():
                seen = self._look_for_ready(seen + chunk)
        if not self._ready.done():
            code = await self._process.wait()
            self._ready.set_exception(
                PartFailed(f"{self.name} ended with {code}; {self.last_words()}")
            )
            self._ready.exception()  # nobody need be waiting

    def _look_for_ready(self, seen: bytes) -> bytes:
        *lines, rest = seen.split(b"\n")
        for line in lines:
            if not line.startswith(b"{"):
                continue
            with contextlib.suppress(orjson.JSONDecodeError):
                self._ready.set_result(orjson.loads(line))
                return b""
        return rest[-_FIRST_LINES:]
