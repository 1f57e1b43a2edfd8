"""On which line of a TOML text each key stands; the standard reader does not tell.

The text has been read by ``tomllib`` before, so it is TOML: this only walks over it.
"""

from __future__ import annotations

import re
from typing import Final

Path = tuple[str | int, ...]
"""Keys and indexes, as they lead through what ``tomllib`` gives."""

_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BLANK: Final = re.compile(r"[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_BASIC: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL: Final = re.compile(r"'[^'\n]*'")
_LONG_BASIC: Final = re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}(?!")', re.DOTALL)
_LONG_LITERAL: Final = re.compile(r"'''.*?'{3,5}(?!')", re.DOTALL)
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPES: Final = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}


def lines_of(text: str) -> dict[Path, int]:
    """Find the line, from 1, of every table, key and element of a valid TOML text."""
    walker = _Walker(text.replace("\r\n", "\n"))
    walker.walk()
    return walker.lines


class _Walker:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path, int] = {(): 1}
        self.arrays: dict[Path, int] = {}
        """How many tables an array of tables has so far."""

    def walk(self) -> None:
        table: Path = ()
        self._pass(_SPACE)
        while self.at < len(self.text):
            table = self._header() if self.text[self.at] == "[" else self._pair(table)
            self._pass(_SPACE)

    def _header(self) -> Path:
        line = self.line
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        keys = self._key()
        self.at += 2 if double else 1
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self.arrays:
                path = (*path, self.arrays[path] - 1)
        path = (*path, keys[-1])
        if double:
            number = self.arrays[path] = self.arrays.get(path, 0) + 1
            self.lines.setdefault(path, line)
            path = (*path, number - 1)
        self._note(path, line)
        return path

    def _pair(self, table: Path) -> Path:
        line = self.line
        keys = self._key()
        self._pass(_BLANK)
        self.at += 1  # the equals sign
        path: Path = table
        for key in keys:
            path = (*path, key)
            self._note(path, line)
        self._value(path)
        return table

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            self.lines.setdefault(path[:length], line)

    def _key(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._pass(_BLANK)
            start = self.at
            if self.text[start] == '"':
                self._pass(_BASIC)
                keys.append(_ESCAPE.sub(_unescaped, self.text[start + 1 : self.at - 1]))
            elif self.text[start] == "'":
                self._pass(_LITERAL)
                keys.append(self.text[start + 1 : self.at - 1])
            else:
                self._pass(_BARE)
                keys.append(self.text[start : self.at])
            self._pass(_BLANK)
            if self.text[self.at] != ".":
                return keys
            self.at += 1

    def _value(self, path: Path) -> None:
        self._pass(_BLANK)
        if self.text[self.at] == "[":
            self._array(path)
        elif self.text[self.at] == "{":
            self._inline(path)
        else:
            for quotes, long, short in (
                ("'", _LONG_LITERAL, _LITERAL),
                ('"', _LONG_BASIC, _BASIC),
            ):
                if self.text.startswith(quotes, self.at):
                    self._pass(long if self.text.startswith(quotes * 3, self.at) else short)
                    return
            self._pass(_SCALAR)

    def _array(self, path: Path) -> None:
        self.at += 1
        number = 0
        self._pass(_SPACE)
        while self.text[self.at] != "]":
            element = (*path, number)
            self.lines[element] = self.line
            self._value(element)
            number += 1
            self._comma()
        self.at += 1

    def _inline(self, path: Path) -> None:
        self.at += 1
        self._pass(_SPACE)
        while self.text[self.at] != "}":
            self._pair(path)
            self._comma()
        self.at += 1

    def _comma(self) -> None:
        self._pass(_SPACE)
        if self.text[self.at] == ",":
            self.at += 1
            self._pass(_SPACE)

    def _pass(self, what: re.Pattern[str]) -> None:
        match = what.match(self.text, self.at)
        if match:
            self.line += self.text.count("\n", self.at, match.end())
            self.at = match.end()


def _unescaped(match: re.Match[str]) -> str:
    short, long, other = match.groups()
    if short or long:
        return chr(int(short or long, 16))
    return _ESCAPES.get(other, other)
