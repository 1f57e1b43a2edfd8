"""Where a shipper runs: a process of its own, or a thread of the agent's process.

A thread would take Python's lock from the agent's thread just when that comes back from its
write, for up to 5 ms; a process cannot. So the spool is shipped by a process, and only what lies in
this process's memory by a thread.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, Protocol

from headrace.producers.condition import Condition
from headrace.producers.warn import Warnings

THREAD_NAME: Final = "headrace-shipper"
START_TIMEOUT: Final = 10.0
"""Seconds for a thread to get its loop going, and for a process to be started."""


class Host(Protocol):
    """Something that runs a shipper. Every method is safe from any thread and never raises."""

    def alive(self) -> bool: ...

    def start(self) -> None: ...

    def listen(self) -> None:
        """Warn here of what it says is the trouble, if it cannot do so itself."""
        ...

    def stop(self, timeout: float) -> None:
        """Ask it to stop, and wait for at most ``timeout`` seconds."""
        ...

    def leave(self) -> None:
        """The process ends: what outlives it must be under way. Waits for a start that is."""
        ...

    def forget(self) -> None:
        """After a fork: what runs belongs to the parent."""
        ...


class ThreadHost:
    """Runs a shipper in a daemon thread, in an event loop of its own."""

    def __init__(self, ship: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        self._ship = ship
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._ready = threading.Event()

    def alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        if self.alive():
            return
        self._ready.clear()
        _keep_quiet()
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)
        self._thread.start()

    def listen(self) -> None:
        """It warns for itself."""

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._ready.set()
        await self._ship(self._stop)

    def stop(self, timeout: float) -> None:
        thread = self._thread
        if thread is None or not self._ready.wait(min(timeout, START_TIMEOUT)):
            return
        if self._loop is not None and self._stop is not None and thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self._stop.set)
            except RuntimeError:  # the loop has just ended by itself
                return
            thread.join(timeout)

    def leave(self) -> None:
        """It ends with the process."""

    def forget(self) -> None:
        self._thread = self._loop = self._stop = None
        self._ready = threading.Event()


def _keep_quiet() -> None:
    """Keep aiokafka's reports of a broker that is away, many a second, out of the agent's log.

    Only what our own thread says: headrace warns of it once a minute. The same filter object is
    added, so that it stands there once.
    """
    for name in list(logging.root.manager.loggerDict):
        if name == "aiokafka" or name.startswith("aiokafka."):
            logging.getLogger(name).addFilter(_not_ours)


def _not_ours(record: logging.LogRecord) -> bool:
    return record.threadName != THREAD_NAME


_MAIN: Final = """\
import sys
sys.path[:] = [place for place in sys.path if place]
from headrace.producers.ship import main
sys.exit(main([]))
"""
"""``python -m`` would look for every module in the agent's working directory first: what an agent
is let loose on must not run beside Kafka's credentials."""

_RUNNING: Final[list[subprocess.Popen[bytes]]] = []
"""Shippers that were started here. Held so that an interpreter that ends does not complain of
processes that are meant to outlive it."""


def runs_in_python() -> bool:
    """Whether another Python can be started as this one was.

    In uWSGI, and in programs that embed or freeze Python, ``sys.executable`` is the program itself,
    or nothing.
    """
    name = Path(sys.executable or "").name.lower()
    return name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


class ProcessHost:
    """Runs a shipper in a process of its own, which outlives this one until all is delivered."""

    def __init__(
        self, job: Callable[[], bytes], condition: Callable[[], Condition | None], warn: Warnings
    ) -> None:
        self._job = job
        self._condition = condition
        self._warn = warn
        self._process: subprocess.Popen[bytes] | None = None
        self._starting = threading.Lock()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if not self._starting.acquire(timeout=START_TIMEOUT):
            return
        try:
            if not self.alive():
                self._start()
        finally:
            self._starting.release()

    def leave(self) -> None:
        # Else a process that lives for a moment ends between the start and the job's hand-over.
        self.start()

    def _start(self) -> None:
        code = self._process.returncode if self._process is not None else 0
        if code > 0:
            self._warn("shipper", "headrace's shipper ended with exit code %d: events wait", code)
        _RUNNING[:] = [process for process in _RUNNING if process.poll() is None]
        try:
            # In a session of its own: a Ctrl-C at the agent's terminal is not meant for it.
            process = subprocess.Popen(
                [sys.executable, "-c", _MAIN],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if process.stdin is not None:
                process.stdin.write(self._job())
                process.stdin.close()
        except (OSError, ValueError) as error:
            self._warn("shipper", "headrace's shipper cannot be started (%s): events wait", error)
            return
        _RUNNING.append(process)
        self._process = process

    def listen(self) -> None:
        said = self._condition()
        if said is not None and said.trouble:
            self._warn("kafka", "headrace's shipper %s: events wait", said)

    def stop(self, timeout: float) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(1)

    def forget(self) -> None:
        self._process = None
        self._starting = threading.Lock()
        _RUNNING.clear()
