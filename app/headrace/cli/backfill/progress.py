"""How far files were read and acknowledged, so that a next run goes on from there.

One small file each, written anew at most once a second. Losing one costs time and no more: identity
removes what is sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from headrace.producers.lane import Destination


@dataclass(frozen=True, slots=True)
class Mark:
    """All lines before ``end`` of a file stand in the log named ``incarnation``."""

    end: int = 0
    """Offset in the unpacked file, behind a newline."""
    crc: int = 0
    """Of the bytes before it."""
    first: str = ""
    """SHA-256 of the file's first line: another one is another file under the same name."""
    incarnation: str = ""
    ended: bool = False
    """Whether the epochs have their end markers: the file must not grow any more."""


class Progress:
    """The mark of one file, for one tenant and one topic. One process at a time, else harmless."""

    def __init__(
        self,
        directory: Path | None,
        file: Path | None,
        tenant: str | None,
        to: Destination | None,
    ) -> None:
        self._path = None
        if directory is not None and file is not None and to is not None:
            about = [str(file.resolve()), tenant, asdict(to)]
            name = hashlib.sha256(orjson.dumps(about)).hexdigest()[:32]
            self._path = directory / f"{name}.json"

    def load(self) -> Mark:
        """Return the mark; an empty one where there is none that can be read."""
        if self._path is None:
            return Mark()
        try:
            found = orjson.loads(self._path.read_bytes())
            mark = Mark(**found)
        except (OSError, ValueError, TypeError):
            return Mark()
        whole = isinstance(mark.end, int) and isinstance(mark.crc, int) and mark.end >= 0
        return mark if whole else Mark()

    def save(self, mark: Mark) -> None:
        """Keep the mark. Never raises for a disk that is full: the next run reads more."""
        if self._path is None:
            return
        new = self._path.with_suffix(f".{os.getpid()}.new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_bytes(orjson.dumps(asdict(mark)))
            new.replace(self._path)
