"""Label matchers and metric selectors, written as Prometheus and Alertmanager write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Operator = Literal["=", "!=", "=~", "!~"]

_NAME: Final = r"[A-Za-z_][A-Za-z0-9_.]*"
_MATCHER: Final = re.compile(
    rf'\s*({_NAME})\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",{{}}]+))\s*', re.DOTALL
)
_SELECTOR: Final = re.compile(rf"\s*({_NAME})\s*(?:\{{(.*)\}}\s*)?", re.DOTALL)
_ESCAPES: Final = {"n": "\n", '"': '"', "\\": "\\"}
_NOT_RE2: Final = re.compile(r"\(\?(?:[=!>(]|<[=!]|P=|#)|\\[1-9]|[*+?}]\+")
"""What Python's patterns have and Prometheus' have not."""
_LONGEST: Final = 1000
"""Characters of a pattern or a value: a matcher is written by a person."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label. A label that is not there is the empty text.

    Immutable, so safe from any thread.
    """

    name: str
    operator: Operator
    value: str
    _pattern: re.Pattern[str] | None = field(
        init=False, default=None, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        """Compile the pattern. Raises :class:`ValueError` where Prometheus would refuse it."""
        if len(self.value) > _LONGEST:
            raise ValueError(f"the value for {self.name} is longer than {_LONGEST} characters")
        if self.operator in ("=~", "!~"):
            if _NOT_RE2.search(self.value):
                raise ValueError(
                    f"the pattern {self.value!r} uses what Prometheus' patterns (RE2) lack:"
                    " no look-around, no back references"
                )
            try:
                pattern = re.compile(self.value, re.DOTALL)
            except re.error as error:
                raise ValueError(f"the pattern {self.value!r} is wrong: {error}") from None
            object.__setattr__(self, "_pattern", pattern)

    def matches(self, value: str) -> bool:
        """Tell whether a label's value meets the condition; patterns match the whole of it."""
        if self._pattern is None:
            return (value == self.value) == (self.operator == "=")
        return (self._pattern.fullmatch(value) is not None) == (self.operator == "=~")

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{value}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric and conditions on its labels, all of which must be met."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        return self.metric + (f"{{{','.join(map(str, self.matchers))}}}" if self.matchers else "")


def all_match(matchers: tuple[Matcher, ...], labels: Mapping[str, str]) -> bool:
    """Tell whether labels meet every condition."""
    return all(one.matches(labels.get(one.name, "")) for one in matchers)


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read matchers: ``tool="run_sql", tenant=~"acme|umbrella"``, braces around them or not.

    Raises :class:`ValueError` that shows where it stops to be understood.
    """
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    found = []
    at = 0
    while text[at:].strip():
        match = _MATCHER.match(text, at)
        end = match.end() if match else at
        if match is None or (end < len(text) and text[end] != ","):
            raise ValueError(
                f'no label matcher: {text[at:].strip()!r}; write name="value", with =, !=, =~ or !~'
            )
        name, operator, quoted, bare = match.groups()
        value = bare if quoted is None else _unescaped(quoted)
        found.append(Matcher(name, operator, value))  # type: ignore[arg-type]
        at = end + 1
    return tuple(found)


def parse_selector(text: str) -> Selector:
    """Read a selector: ``agent.llm.errors`` or ``agent.llm.errors{class="5xx"}``.

    Raises :class:`ValueError` that says how selectors are written.
    """
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise ValueError(f'{text!r} is no selector: write metric or metric{{label="value"}}')
    metric, matchers = match.groups()
    return Selector(metric, parse_matchers(matchers or ""))


def _unescaped(quoted: str) -> str:
    return re.sub(r"\\(.)", lambda m: _ESCAPES.get(m.group(1), m.group(0)), quoted, flags=re.DOTALL)
