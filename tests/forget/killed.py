"""``python -m tests.forget.killed POINT ARGUMENTS``: a command that is killed on its way.

At the end of the phase POINT, or where it says POINT.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from headrace.cli import main, progress
from headrace.cli.forget.request import Request, Requests


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
    run(sys.argv[1], sys.argv[2:])
