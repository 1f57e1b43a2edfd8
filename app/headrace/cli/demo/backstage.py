"""Where the demo keeps its things, and how it ends early without leaving any."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

REMOVALS: Final = 20
"""Tries, a tenth of a second apart: what is ending may still write."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are while the demo runs."""

    state: Path
    """Of the stack."""
    agents: Path
    """The agents' working directories."""

    @property
    def spool(self) -> Path:
        return self.state / "spool"


@contextmanager
def places(*, keep: bool, state_dir: Path | None) -> Iterator[Places]:
    """Make a directory for everything; what is not to be kept is gone at the end.

    The temporary files of all that is started go there too: a process that is killed leaves some.
    """
    root = Path(tempfile.mkdtemp(prefix="headrace-demo-"))
    temporary = root / "tmp"
    temporary.mkdir()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(temporary)
    try:
        yield Places(state_dir.absolute() if state_dir else root / "state", root / "agents")
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        kept = keep and state_dir is None
        for directory in (root / "agents", temporary) if kept else (root,):
            _remove(directory)


def _remove(directory: Path) -> None:
    for _ in range(REMOVALS):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


def until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work``; the first SIGINT or SIGTERM cancels it, further ones do nothing.

    Raises KeyboardInterrupt once a cancelled ``work`` has put everything away. (An exception that
    a signal handler raises can land where nobody hears it; a cancelled task cannot.)
    """
    return asyncio.run(_until_interrupted(work))


async def _until_interrupted(work: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    interrupted: list[int] = []

    def interrupt(number: int) -> None:
        if not interrupted:
            task.cancel()
        interrupted.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    await asyncio.wait({task})
    if interrupted:
        if not task.cancelled():
            task.exception()  # It came too late, or putting away failed too: we are leaving.
        raise KeyboardInterrupt
    return task.result()
