"""Cutting a log file into records, whatever pieces it is read in, in bounded memory.

A record is a line that begins one and the lines behind it that do not: tracebacks, messages of
several lines. It is known to be whole when the next begins, or when its writer is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_RECORD: Final = 1024 * 1024
"""Bytes kept of a record."""


@dataclass(slots=True)
class Raw:
    """One record's bytes."""

    text: bytes
    """Its lines, without the last newline."""
    end: int
    """Offset in the file behind it."""
    size: int
    """Its length, of which ``text`` may hold only the beginning."""


@dataclass(slots=True)
class Cutter:
    """Cuts one incarnation of a file. ``begins`` says whether a line begins a record."""

    begins: Callable[[bytes], object]
    at: int
    """Offset of what is fed next."""
    _line: bytearray = field(default_factory=bytearray)
    """The line that has no newline yet, as far as it is kept."""
    _line_size: int = 0
    _record: list[bytes] = field(default_factory=list)
    _kept: int = 0
    _size: int = 0
    """Of the open record, with its newlines."""

    def feed(self, piece: bytes) -> Iterator[Raw]:
        """Take the next bytes; yield the records that are known to be whole."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self.at += len(line) + 1
            self._add(line)
            whole, size = bytes(self._line), self._line_size + 1
            self._line, self._line_size = bytearray(), 0
            if self._size and self.begins(whole):
                yield self._close(self.at - size)
            self._take(whole, size)
        self.at += len(rest)
        self._add(rest)

    def flush(self, *, partial: bool) -> Iterator[Raw]:
        """Yield the open record, as its writer is silent; with ``partial`` an unfinished line, too.

        Without, a record whose last line is unfinished is waited for.
        """
        if self._line_size:
            if not partial:
                return
            whole, size = bytes(self._line), self._line_size
            self._line, self._line_size = bytearray(), 0
            if self._size and self.begins(whole):
                yield self._close(self.at - size)
            self._take(whole, size)
        if self._size:
            yield self._close(self.at)

    def _add(self, piece: bytes) -> None:
        self._line_size += len(piece)
        if len(self._line) < MAX_RECORD:
            self._line += piece[: MAX_RECORD - len(self._line)]

    def _take(self, line: bytes, size: int) -> None:
        self._size += size
        room = MAX_RECORD - self._kept
        if room > 0:
            self._record.append(line[:room])
            self._kept += len(line) + 1

    def _close(self, end: int) -> Raw:
        raw = Raw(b"\n".join(self._record), end, self._size)
        self._record, self._kept, self._size = [], 0, 0
        return raw
