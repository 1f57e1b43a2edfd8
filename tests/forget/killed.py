"""``python -m tests.forget.killed POINTS ARGUMENTS``: a command that is killed on its way, again.

At the end of each phase that POINTS names, or where it says so; one process after the other.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from headrace.cli import main, progress
from headrace.cli.forget import run as _imported_before_it_forks
from headrace.cli.forget.request import Request, Requests

assert _imported_before_it_forks


def run(point: str, arguments: list[str]) -> None:
    save = Requests.save

    def saved(self: Requests, request: Request, phase: str | None = None) -> None:
        save(self, request, phase)
        if phase == point:
            os.kill(os.getpid(), signal.SIGKILL)

    def said(self: Any, text: str, **_: Any) -> None:
        if text.startswith(point):
            os.kill(os.getpid(), signal.SIGKILL)

    Requests.save = saved  # type: ignore[method-assign]
    progress.Line.say = said  # type: ignore[method-assign]
    main.main(arguments)


if __name__ == "__main__":
    for each in sys.argv[1].split(","):
        pid = os.fork()
        if not pid:
            run(each, sys.argv[2:])
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{each}: was not killed: {status}")
