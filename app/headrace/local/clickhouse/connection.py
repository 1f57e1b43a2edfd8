"""One chDB connection, with its errors in ClickHouse's words. Every call here blocks."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from headrace.local.clickhouse import lexer
from headrace.local.clickhouse.errors import EngineError

PIPED: Final = 1 << 20
"""Bytes read from a pipe at once, where it holds so many."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, or a piece of one: bytes in the format asked for, and what it took."""

    data: bytes
    rows: int = 0
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:  # what a message quotes of the data may end within a sign
        raise EngineError(error.object.decode(errors="replace")) from None
    except RuntimeError as error:
        raise EngineError(str(error)) from None


class Connection:
    """Not thread-safe: one call at a time, from any thread."""

    def __init__(self, made: Any) -> None:
        self._outer = made
        self._made = made._conn  # noqa: SLF001 - the wrapper hides classify_query

    def query(self, sql: str, fmt: str = "TabSeparated") -> Answer:
        """Run one statement to its end."""
        with _engine_errors():
            return _answer(self._made.query(sql, fmt))

    def stream(self, sql: str, fmt: str) -> Stream:
        """Start a statement whose answer is fetched piece by piece."""
        with _engine_errors():
            return Stream(self._made, self._made.send_query(sql, fmt))

    def pipe(self, statement: Callable[[str], str]) -> Piped:
        """Start a SELECT that the engine writes to a file: ``statement`` makes it of the name."""
        try:
            return Piped(self._made, statement)
        except OSError as error:
            raise EngineError(f"Code: 243. DB::Exception: {error.strerror}") from None

    def insert(self, head: str, fmt: str) -> Insert:
        """Start an INSERT (without FORMAT and data)."""
        try:
            return Insert(self._made, head, fmt)
        except OSError as error:
            raise EngineError(f"Code: 243. DB::Exception: {error.strerror}") from None

    def classify(self, sql: str) -> tuple[str, int]:
        """Say what the SQL would do and how many statements it has, by the engine's own parser."""
        found: Mapping[str, Any] = self._made.classify_query(sql, "headrace")
        return found["query_class"].name, found["statement_count"]

    def set(self, settings: Mapping[str, str]) -> None:
        """Set the connection's settings; the engine refuses unknown and forbidden ones."""
        if settings:
            pairs = ", ".join(f"{name} = {quote(value)}" for name, value in settings.items())
            self.query(f"SET {pairs}")

    def close(self) -> None:
        self._outer.close()


class Stream:
    """A running SELECT. Closing it cancels it."""

    def __init__(self, made: Any, handle: Any) -> None:
        self._made = made
        self._handle = handle
        self._open = True

    def fetch(self) -> Answer | None:
        """Return the next piece, ``None`` at the end."""
        if not self._open:
            return None
        try:
            with _engine_errors():
                found = self._made.streaming_fetch_result(self._handle)
        except EngineError:
            self._open = False
            raise
        if found is None or found.rows_read() == 0:
            self._open = False
            return None
        return _answer(found)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._made.streaming_cancel_query(self._handle)


class Piped:
    """A running SELECT whose answer comes through a pipe: a slow reader holds the engine up.

    It runs on a thread of its own. Closing the pipe fails the engine's next write, and so ends it.
    """

    def __init__(self, made: Any, statement: Callable[[str], str]) -> None:
        self._made = made
        self._reads, self._writes = os.pipe()
        self._sql = statement(f"/dev/fd/{self._writes}")
        self._error: EngineError | None = None
        self._thread = threading.Thread(target=self._run, name="pipe", daemon=True)
        self._thread.start()
        self._open = True

    def _run(self) -> None:
        try:
            with _engine_errors():
                self._made.query(self._sql, "Null")
        except EngineError as error:
            self._error = error
        finally:
            os.close(self._writes)

    def fetch(self) -> Answer | None:
        """Return the next piece, ``None`` at the end."""
        if not self._open:
            return None
        piece = os.read(self._reads, PIPED)
        if piece:
            return Answer(piece)
        self.close()
        if self._error is not None:
            raise self._error
        return None

    def close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._reads)
            self._thread.join()


class Insert:
    """An INSERT whose data comes piece by piece; nothing is written before ``finish`` returned.

    The data waits in a file without a name, which the engine then reads. chDB's own streaming
    insert (4.4, 26.9) must not be used: it skips constraints, and an error while the rows are
    written (a throwIf, a full disk, no memory) is swallowed with the rows.
    """

    def __init__(self, made: Any, head: str, fmt: str) -> None:
        self._made = made
        self._head = head
        self._format = fmt
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by finish or cancel

    def append(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            self.cancel()
            raise EngineError(f"Code: 243. DB::Exception: {error.strerror}") from None

    def finish(self) -> Answer:
        try:
            self._file.flush()
            self._file.seek(0)
            table, settings = _at_settings(self._head)
            source = f"FROM INFILE '/dev/fd/{self._file.fileno()}' COMPRESSION 'none'"
            sql = f"{table} {source} {settings} FORMAT {self._format}"
            with _engine_errors():
                result = self._made.query(sql, "Null")
        except OSError as error:
            raise EngineError(f"Code: 243. DB::Exception: {error.strerror}") from None
        finally:
            self.cancel()
        return Answer(b"", written_rows=result.rows_written(), written_bytes=result.bytes_written())

    def cancel(self) -> None:
        self._file.close()


def _at_settings(head: str) -> tuple[str, str]:
    """Cut an INSERT's head before its SETTINGS: where the data comes from stands between."""
    depth = 0
    for token in lexer.tokens(head):
        if token.kind == "punctuation":
            depth += (token.text == "(") - (token.text == ")")
        elif not depth and token.is_word("SETTINGS"):
            return head[: token.start], head[token.start :]
    return head, ""


def _answer(found: Any) -> Answer:
    return Answer(
        found.bytes(),
        rows=found.rows_read(),
        read_rows=found.storage_rows_read(),
        read_bytes=found.storage_bytes_read(),
        written_rows=found.rows_written(),
        written_bytes=found.bytes_written(),
    )


def quote(value: str) -> str:
    """Quote a string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
