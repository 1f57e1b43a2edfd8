"""Run a command that dies with its parent: ``python -I -S guard.py PARENT_PID COMMAND…``.

Run as a file and on the standard library alone, so that it costs some 20 ms and replaces itself by
the command. On Linux the kernel does the rest: whatever ends the parent (``kill -9`` too), the
child is killed. Elsewhere the guard stays between the two and watches.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

_PR_SET_PDEATHSIG = 1
_WATCH_EVERY_S = 0.5


def main(argv: list[str]) -> int:
    """Become the command, or (not on Linux) run it and watch the parent."""
    parent, command = int(argv[0]), argv[1:]
    if command[0] == "--watch":  # what other systems do; here for the test of it
        return _watch(parent, command[1:])
    if not sys.platform.startswith("linux"):
        return _watch(parent, command)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        return _watch(parent, command)
    # The parent may have died before the call above: then nobody would ever signal.
    if os.getppid() == parent:
        os.execv(command[0], command)  # noqa: S606 - the argument list is the supervisor's
    return 1


def _watch(parent: int, command: list[str]) -> int:
    child = subprocess.Popen(command)

    def forward(number: int, _frame: FrameType | None) -> None:
        child.send_signal(number)

    signal.signal(signal.SIGTERM, forward)
    signal.signal(signal.SIGINT, forward)
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
        time.sleep(_WATCH_EVERY_S)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
