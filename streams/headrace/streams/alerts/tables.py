"""Reading tables of a TOML file so that every mistake is told at once, each with its line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, TypeVar

from headrace.events.errors import SettingsError
from headrace.streams.alerts.durations import seconds_of
from headrace.streams.alerts.toml_lines import Path, lines_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")

_KINDS: Final = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}
_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in a rules file."""

    line: int
    text: str


class RulesError(SettingsError):
    """A rules file is wrong. The message has ``file:line: what to do`` for every mistake."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(f"{source}:{one.line}: {one.text}" for one in self.problems))


@dataclass(slots=True)
class Document:
    """A TOML text, where its keys stand, and what is wrong with it. Belongs to one thread."""

    data: dict[str, Any]
    lines: dict[Path, int]
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The line of a key, or of the nearest table around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def root(self) -> Table:
        return Table(self, (), self.data, "this file")


def read(text: str, source: str) -> Document:
    """Read a TOML text.

    Raises :class:`RulesError` where it is no TOML.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = _AT_LINE.search(str(error))
        line = int(at.group(1)) if at else text.count("\n") + 1
        raise RulesError(source, [Problem(line, f"this is no TOML: {error}")]) from None
    return Document(data, lines_of(text))


@dataclass(slots=True)
class Table:
    """One table. What is asked for is known; :meth:`finish` complains about the rest.

    A getter that meets a mistake notes it and gives its default, so that the next ones are found in
    the same run.
    """

    document: Document
    path: Path
    data: dict[str, Any]
    what: str
    """How the table is called in a complaint."""
    asked: set[str] = field(default_factory=set)

    def wrong(self, text: str, *keys: str | int) -> None:
        """Note a mistake at a key, or at the table where no key is given."""
        line = self.document.line((*self.path, *keys))
        self.document.problems.append(Problem(line, f"{self.what}: {text}"))

    def get(self, key: str, kind: type[T], default: T) -> T:
        """Give a value that is there and of its kind, else the default."""
        self.asked.add(key)
        if key not in self.data:
            return default
        value = self.data[key]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            self.wrong(f"`{key}` must be {_KINDS[kind]}, not {value!r}", key)
            return default
        return value

    def need(self, key: str, kind: type[T], default: T) -> T:
        """Give a value that must be there."""
        if key not in self.data:
            self.asked.add(key)
            self.wrong(f"`{key}` is missing")
        return self.get(key, kind, default)

    def duration(self, key: str, default: int) -> int:
        """Give a duration in seconds."""
        text = self.get(key, str, "")
        if not isinstance(self.data.get(key), str):
            return default
        return self.tried(lambda: seconds_of(text), default, key)

    def texts(self, key: str) -> list[str]:
        """Give a list of texts."""
        found = self.get(key, list, [])
        for number, one in enumerate(found):
            if not isinstance(one, str):
                self.wrong(f"`{key}` must hold texts only, not {one!r}", key, number)
        return [one for one in found if isinstance(one, str)]

    def tried(self, do: Callable[[], T], default: T, *keys: str | int) -> T:
        """Give what a function gives; its :class:`ValueError` is a mistake at the key."""
        try:
            return do()
        except ValueError as error:
            self.wrong(f"`{keys[0]}`: {error}" if keys else str(error), *keys)
            return default

    def table(self, key: str) -> Table | None:
        """Give the table under a key, None where there is none."""
        found = self.get(key, dict, {})
        if key not in self.data or not isinstance(self.data[key], dict):
            return None
        return Table(self.document, (*self.path, key), found, f"{self.what}, `{key}`")

    def tables(self, key: str) -> list[Table]:
        """Give the tables of ``[[key]]``, in the order of the file."""
        found = []
        for number, one in enumerate(self.get(key, list, [])):
            if isinstance(one, dict):
                name = one.get("name")
                what = f"{key} {name!r}" if isinstance(name, str) else f"{key} {number + 1}"
                found.append(Table(self.document, (*self.path, key, number), one, what))
            else:
                self.wrong(f"`{key}` must be tables: write [[{key}]]", key)
        return found

    def finish(self) -> None:
        """Complain about keys that nobody asked for."""
        for key in self.data:
            if key not in self.asked:
                near = get_close_matches(key, self.asked, 1)
                known = ", ".join(sorted(self.asked))
                hint = f"did you mean `{near[0]}`?" if near else f"known: {known}"
                self.wrong(f"`{key}` is not known; {hint}", key)
