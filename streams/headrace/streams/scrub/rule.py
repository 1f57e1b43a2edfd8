"""One rule of a scrub file: what it finds, where, for whom, and what becomes of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

import re2

from headrace.streams.audit.rule import Names
from headrace.streams.scrub.checks import Check
from headrace.streams.scrub.marks import Action
from headrace.streams.scrub.paths import Path

Span = tuple[int, int]
BETWEEN: Final = b"\0"
"""Stands between texts that are searched as one."""
REWRITTEN: Final = "secret"
"""The group of a pattern that is rewritten; without one it is the whole match."""


def compiled(pattern: str, **options: Any) -> Any:
    """Compile for UTF-8 bytes. Raises :class:`ValueError`, which quotes the pattern's fault."""
    chosen = re2.Options()
    chosen.log_errors = False
    for name, value in options.items():
        setattr(chosen, name, value)
    try:
        return re2.compile(pattern, chosen)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"no pattern of RE2: {text}") from None


@dataclass(frozen=True, slots=True)
class _Rule:
    """What all rules have. Immutable: safe from any thread."""

    name: str
    action: Action
    tenants: Names | None
    except_tenants: Names | None
    allowed: Any
    """A compiled pattern of what is let through, None for nothing."""

    def applies(self, tenant: str | None) -> bool:
        """Whether it is for a tenant. One that cannot be told (None) gets every rule."""
        if tenant is None:
            return True
        return (self.tenants is None or tenant in self.tenants) and (
            self.except_tenants is None or tenant not in self.except_tenants
        )

    def allows(self, text: bytes) -> bool:
        return self.allowed is not None and self.allowed.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class PathRule(_Rule):
    """Rewrites whatever stands at some paths."""

    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class TextRule(_Rule):
    """Rewrites what patterns find in texts, in keys and in numbers."""

    patterns: tuple[Any, ...]
    hint: str | None
    """None: nothing tells from the bytes whether there is something to find."""
    check: Check = len
    again: bool = False
    alone: bool = False
    """Its patterns ask where a text begins or ends."""
    _groups: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Look the groups up once."""
        groups = (pattern.groupindex.get(REWRITTEN, 0) for pattern in self.patterns)
        object.__setattr__(self, "_groups", tuple(groups))

    def find(self, text: bytes) -> Iterator[Span]:
        """Yield where secrets stand in a text that is UTF-8; of each pattern in order."""
        return self._find(text, apart=False)

    def find_in(self, texts: Texts) -> Iterator[tuple[int, int, int]]:
        """Yield the same of many texts: the number of the text, and where in it."""
        try:
            if not self.alone:
                yield from [texts.place(*span) for span in self._find(texts.joined, apart=True)]
                return
        except _AcrossError:
            pass
        for number, text in enumerate(texts.texts):
            yield from ((number, *span) for span in self.find(text))

    def _find(self, text: bytes, *, apart: bool) -> Iterator[Span]:
        for pattern, group in zip(self.patterns, self._groups, strict=True):
            at = 0
            while at <= len(text) and (match := pattern.search(text, at)) is not None:
                # It may begin with what stands before a secret, and that may be a text's beginning.
                if apart and BETWEEN in text[match.start() + (group > 0) : match.end()]:
                    raise _AcrossError
                start, end = match.span(group)
                length = self.check(text[start:end])
                if not length:
                    at = start + 1 if self.again else max(end, at + 1)
                    continue
                at = start + length
                if not self.allows(text[start:at]):
                    yield start, at


class _AcrossError(Exception):
    """A match begins in one text and ends in another."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Many texts that are searched as one, since a search costs more than its length."""

    texts: Sequence[bytes]
    joined: bytes = field(init=False)
    _starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        """Join them."""
        object.__setattr__(self, "joined", BETWEEN.join(self.texts))
        starts = list(accumulate((len(text) + 1 for text in self.texts), initial=0))
        object.__setattr__(self, "_starts", starts)

    def place(self, start: int, end: int) -> tuple[int, int, int]:
        """Return the number of the text, and where in it."""
        number = bisect_right(self._starts, start) - 1
        return number, start - self._starts[number], end - self._starts[number]


Rule = PathRule | TextRule


def any_of(patterns: Iterable[str]) -> Any:
    """Compile names as a shell writes them (``*``, ``?``) for whole texts; None for none."""
    written = list(patterns)
    if not written:
        return None
    words = {"*": ".*", "?": "."}
    alternatives = (
        "".join(words.get(letter) or re2.escape(letter) for letter in one) for one in written
    )
    return compiled("|".join(f"(?:{one})" for one in alternatives), dot_nl=True)
