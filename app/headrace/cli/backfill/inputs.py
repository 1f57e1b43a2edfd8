"""Which files a person means: files, directories, and ``-`` for what comes in."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from headrace.cli.faults import CommandError

_ARCHIVE: Final = re.compile(r"\.(jsonl|ndjson)(\.|$)").search
"""Names of archives in a directory: also packed ones, and rotated ones (``events.jsonl.1.gz``)."""


@dataclass(frozen=True, slots=True)
class Input:
    """One file, or standard input."""

    path: Path | None
    """None: standard input."""
    size: int
    """Bytes on disk; 0 where nobody knows."""

    @property
    def name(self) -> str:
        """Return its name as text, whatever bytes stand in it."""
        if self.path is None:
            return "-"
        return os.fsencode(self.path).decode(errors="backslashreplace")

    def open(self) -> IO[bytes]:
        return sys.stdin.buffer if self.path is None else self.path.open("rb")


def find(names: Iterable[str]) -> list[Input]:
    """Return the files in the order given, a directory's by name, each once.

    Raises CommandError where there is no such file, or a directory holds no archive.
    """
    found: dict[Path | None, Input] = {}
    for name in names:
        if name == "-":
            found.setdefault(None, Input(None, 0))
            continue
        path = Path(name)
        if not path.exists():
            raise CommandError(f"no such file: {name}")
        for one in _archives_in(path) if path.is_dir() else [path]:
            found.setdefault(one.resolve(), Input(one, one.stat().st_size))
    return list(found.values())


def _archives_in(directory: Path) -> list[Path]:
    files = sorted(path for path in directory.rglob("*") if _ARCHIVE(path.name) and path.is_file())
    if not files:
        raise CommandError(f"{directory} holds no archive (*.jsonl, also .gz and .zst): name it")
    return files
