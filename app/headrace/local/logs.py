"""The log file of one part: bounded, so that a chatty part never fills the disk."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 5 * 1024 * 1024
"""Of one file. One older file is kept beside it, as ``NAME.log.1``."""


class PartLog:
    """Appends bytes to a file (mode 0600) and starts a new one when it is full.

    Not thread-safe: one reader of a part's output writes. A disk that refuses costs the line and
    nothing more: a log must not stop the part that it tells of.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max = max_bytes
        self._fd = -1
        self._size = 0

    def write(self, data: bytes) -> None:
        try:
            if self._fd < 0:
                self._open()
            elif self._size + len(data) > self._max:
                self.close()
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                self._open()
            self._size += os.write(self._fd, data[-self._max :])
        except OSError:
            self.close()

    def last_line(self) -> str:
        """Return the last line, for the message of a part that could not start."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.path.stat().st_size - 4096))
                lines = file.read().decode("utf-8", "replace").split("\n")
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
