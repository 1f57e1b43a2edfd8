"""ClickHouse's tokens, as far as the guard needs them.

Where this lexer and the engine's could disagree it raises: what cannot be read for sure is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from headrace.local.clickhouse.errors import ClickHouseError

WORD: Final = "word"
"""A bare identifier or keyword, as written."""
QUOTED: Final = "quoted"
"""An identifier in backticks or double quotes; ``text`` is its content, unescaped."""
STRING: Final = "string"
NUMBER: Final = "number"
PUNCTUATION: Final = "punctuation"

_SPACE: Final = re.compile(
    r"[\s\x00-\x20\x7f\u00a0\u2000-\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff\u1680\u0085]+"
)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_NUMBER: Final = re.compile(r"[0-9][0-9A-Za-z_]*(?:\.[0-9A-Za-z_]*)?(?:(?<=[eEpP])[+-][0-9_]+)?")
_HEREDOC: Final = re.compile(r"\$[A-Za-z0-9_]*\$")
_ESCAPE: Final = re.compile(r"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_CLOSED: Final = {
    quote: re.compile(rf"(?:[^{quote}\\]|\\.|{quote}{quote})*{quote}", re.DOTALL)
    for quote in "'\"`"
}
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"} | {
    "a": "\a",
    "v": "\v",
    "e": "\x1b",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it stands."""

    kind: str
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the (upper-case) keywords."""
        return self.kind == WORD and self.text.upper() in words


def tokens(sql: str, start: int = 0) -> Iterator[Token]:
    """Yield the tokens of the text, without blanks and comments.

    Raises :class:`ClickHouseError` (62) at what is not closed or not known.
    """
    at = start
    while at < len(sql):
        char = sql[at]
        blank = _SPACE.match(sql, at)
        if blank:
            at = blank.end()
        elif sql.startswith(("--", "#!", "# "), at):
            at = _end_of_line(sql, at)
        elif sql.startswith("/*", at):
            at = _end_of_comment(sql, at)
        else:
            token = _token(sql, at, char)
            yield token
            at = token.end


def _token(sql: str, at: int, char: str) -> Token:
    if char in _CLOSED:
        return _quoted(sql, at, char)
    if char == "$":
        return _heredoc(sql, at)
    for kind, pattern in ((WORD, _WORD), (NUMBER, _NUMBER)):
        match = pattern.match(sql, at)
        if match:
            return Token(kind, match.group(), at, match.end())
    if not char.isascii():
        raise _unreadable(f"character {char!r} at position {at}")
    return Token(PUNCTUATION, char, at, at + 1)


def _quoted(sql: str, at: int, quote: str) -> Token:
    match = _CLOSED[quote].match(sql, at + 1)
    if match is None:
        raise _unreadable(f"the quote at position {at} is not closed")
    inner = match.group()[:-1].replace(quote * 2, quote)
    text = _ESCAPE.sub(_unescape, inner)
    return Token(STRING if quote == "'" else QUOTED, text, at, match.end())


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    return _ESCAPED.get(code, code)


def _heredoc(sql: str, at: int) -> Token:
    mark = _HEREDOC.match(sql, at)
    if mark is None:
        return Token(PUNCTUATION, "$", at, at + 1)
    end = sql.find(mark.group(), mark.end())
    if end < 0:
        raise _unreadable(f"the heredoc at position {at} is not closed")
    return Token(STRING, sql[mark.end() : end], at, end + len(mark.group()))


def _end_of_line(sql: str, at: int) -> int:
    end = sql.find("\n", at)
    return len(sql) if end < 0 else end + 1


def _end_of_comment(sql: str, at: int) -> int:
    depth, here = 1, at + 2
    while depth:
        opened, closed = sql.find("/*", here), sql.find("*/", here)
        if closed < 0:
            raise _unreadable(f"the comment at position {at} is not closed")
        if 0 <= opened < closed:
            raise _unreadable("a comment inside a comment")
        depth, here = depth - 1, closed + 2
    return here


def _unreadable(what: str) -> ClickHouseError:
    return ClickHouseError(62, f"Syntax error: {what}", "SYNTAX_ERROR")
