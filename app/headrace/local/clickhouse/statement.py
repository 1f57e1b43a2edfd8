"""A request's text, cut into the statement and the data of an INSERT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.local.clickhouse import formats, guard, lexer
from headrace.local.clickhouse.connection import quote
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.lexer import QUOTED, WORD, Token

HEAD_LIMIT: Final = 262_144
"""Bytes within which an INSERT's data must begin, as ClickHouse's ``max_query_size``."""


_READS: Final = ("SHOW", "DESCRIBE", "DESC", "EXPLAIN", "EXISTS", "CHECK", "SET", "USE")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``data_format`` is set where the request's rest is data of an INSERT."""

    sql: str
    tokens: list[Token]
    data_format: str | None = None
    data_start: int = 0
    """Bytes of the request's text before the data."""
    output_format: str | None = None
    """What a trailing FORMAT asks for."""
    output_at: tuple[int, int] | None = None
    """Where that FORMAT and its name stand in ``sql``."""

    @property
    def is_insert(self) -> bool:
        return self.data_format is not None

    @property
    def writes(self) -> bool:
        """Whether it takes a place among the writes: a guess by its first word, not a judgement."""
        return self.is_insert or (not self.is_select and not self.tokens[0].is_word(*_READS))

    def into(self, file: str, fmt: str) -> str:
        """Return the SELECT with a file to write to: never text of a request."""
        begin, end = self.output_at or (len(self.sql), len(self.sql))
        target = f"INTO OUTFILE {quote(file)} TRUNCATE COMPRESSION 'none' FORMAT {fmt}"
        return f"{self.sql[:begin]}\n{target} {self.sql[end:]}"

    @property
    def is_select(self) -> bool:
        """Whether chDB can stream it: SHOW, DESCRIBE and the like it answers as a whole."""
        first = next((token for token in self.tokens if token.text != "("), None)
        return first is not None and first.is_word("SELECT", "WITH", "FROM")


def parse(text: bytes) -> Statement:
    """Read a statement that has no data behind it. Takes about a second a megabyte.

    Raises :class:`ClickHouseError` (62).
    """
    try:
        sql = text.decode()
    except UnicodeDecodeError:
        raise ClickHouseError(62, "Syntax error: the query is not UTF-8", "SYNTAX_ERROR") from None
    found = guard.read_tokens(sql)
    last = found[-1]
    sql = sql[: last.end]  # without a last semicolon and comments: something may be appended
    at = _trailing_format(found)
    if at is None:
        return Statement(sql, found)
    name = found[at + 1]
    place = found[at].start, name.end
    return Statement(sql, found, output_format=formats.checked(name.text), output_at=place)


def _trailing_format(found: list[Token]) -> int | None:
    for at in range(len(found) - 2, 0, -1):
        if found[at].is_word("FORMAT") and found[at + 1].kind in (WORD, QUOTED):
            rest = found[at + 2 :]
            if not rest or rest[0].is_word("SETTINGS"):
                return at
    return None


def parse_insert(text: bytes) -> Statement | None:
    """Return an INSERT whose data follows; ``None`` for every other statement.

    ``text``: at least the first :data:`HEAD_LIMIT` bytes of the request.
    Raises :class:`ClickHouseError` (62).
    """
    sql = text[:HEAD_LIMIT].decode("latin-1")  # one character a byte, so that positions are bytes
    found: list[Token] = []
    depth = 0
    for token in lexer.tokens(sql):
        found.append(token)
        if len(found) == 1 and not token.is_word("INSERT"):
            return None
        depth += (token.text == "(") - (token.text == ")") if token.kind == "punctuation" else 0
        if depth:
            continue
        if token.is_word("SELECT", "WITH", "FROM"):
            return None  # INSERT … SELECT: all of it is the statement
        if found[:-2] and found[-2].is_word("FORMAT") and token.kind in (WORD, QUOTED):
            return _with_data(text, found[:-2], token.text, _after_format(text, token.end))
        if token.is_word("VALUES"):
            return _with_data(text, found[:-1], "Values", token.end)
    return None


def _after_format(text: bytes, at: int) -> int:
    while at < len(text) and text[at : at + 1] in b" \t\r":
        at += 1
    if text[at : at + 1] == b";":
        at += 1
    return at + 1 if text[at : at + 1] == b"\n" else at


def _with_data(text: bytes, head: list[Token], data_format: str, start: int) -> Statement:
    if not head:
        raise ClickHouseError(62, "Syntax error: INSERT without a table", "SYNTAX_ERROR")
    sql = text[: head[-1].end].decode()
    return Statement(sql, guard.read_tokens(sql), formats.checked(data_format), start)
