"""A stream of lines in the order of their sessions, cut into a file for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, final

import orjson

from headrace.cli.export.names import file_name
from headrace.cli.export.output import Output
from headrace.cli.faults import CommandError
from headrace.cli.text import one_line

# Neither can stand inside a text of JSON, where its quotes would be escaped.
_EPOCH: Final = b',"epoch":'
_TS: Final = b',"ts":'


def lines_of(chunks: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Yield the lines of chunks that were cut anywhere, many at a time, without line feeds.

    Raises CommandError where the last one has none: more was to come.
    """
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if whole:
            yield whole
    if rest:
        raise CommandError("ClickHouse broke off in the middle of its answer")


@dataclass(slots=True)
class Tally:
    """What was written."""

    rows: int = 0
    first: float = float("inf")
    last: float = float("-inf")

    def add(self, line: bytes) -> None:
        """Take note of one line."""
        self.rows += 1
        at = line.find(_TS) + len(_TS)
        ts = float(line[at : line.find(b",", at)])
        self.first = min(self.first, ts)
        self.last = max(self.last, ts)


@final
class SessionFiles:
    """Writes the lines of one tenant: one file is open at a time, as sessions follow each other."""

    def __init__(self, directory: Path, ending: str, compression: str | None) -> None:
        self._directory = directory
        self._ending = ending
        self._compression = compression
        self._head = b""
        """What the lines of the present session begin with."""
        self._session = ""
        self._file: BinaryIO | None = None
        self._tally = Tally()

    def write(self, lines: list[bytes]) -> Iterator[dict[str, Any]]:
        """Write lines; yield what the manifest says of each file that is finished by them."""
        held: list[bytes] = []
        add = self._tally.add
        for line in lines:
            if self._file is None or not line.startswith(self._head):
                head = _head_of(line)
                session = str(orjson.loads(head + b"}")["session"])
                if self._file is None or session != self._session:
                    self._put(held)
                    held = []
                    yield from self.close()
                    self._open(session)
                    add = self._tally.add
                self._head = head
            held.append(line)
            add(line)
        self._put(held)

    def close(self) -> Iterator[dict[str, Any]]:
        """Finish the open file, if there is one."""
        if self._file is None:
            return
        digest = self._output.finish()
        self._file.close()
        self._file = None
        yield {
            "name": self._name,
            "session": self._session,
            "rows": self._tally.rows,
            "bytes": self._output.bytes,
            "sha256": digest,
            "first_ts": self._tally.first,
            "last_ts": self._tally.last,
        }

    def _open(self, session: str) -> None:
        self._session = session
        self._name = file_name(session, self._ending)
        self._file = (self._directory / self._name).open("xb")
        self._output = Output(self._file, self._compression)
        self._tally = Tally()

    def _put(self, lines: list[bytes]) -> None:
        if lines:
            self._output.write(b"\n".join(lines) + b"\n")


def _head_of(line: bytes) -> bytes:
    """Return what no other session's line begins with: up to the epoch, user and agent included."""
    at = line.find(_EPOCH)
    if at < 0:  # an error after the first rows: ClickHouse writes it into the answer
        raise CommandError(f"ClickHouse broke off: {one_line(line.decode('utf-8', 'replace'))}")
    return line[:at]
