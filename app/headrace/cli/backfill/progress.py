"""How far files were read and acknowledged, so that a next run goes on from there.

One small file each, written anew at most once a second. Losing one costs time and no more: identity
removes what is sent again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from headrace.cli.state_file import StateFile
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
        self._state = None
        if directory is not None and file is not None and to is not None:
            self._state = StateFile(directory, [str(file.resolve()), tenant, asdict(to)])

    def load(self) -> Mark:
        """Return the mark; an empty one where there is none that can be read."""
        try:
            mark = Mark(**(self._state.load() if self._state else {}))
        except TypeError:
            return Mark()
        whole = isinstance(mark.end, int) and isinstance(mark.crc, int) and mark.end >= 0
        return mark if whole else Mark()

    def save(self, mark: Mark) -> None:
        if self._state is not None:
            self._state.save(mark)
