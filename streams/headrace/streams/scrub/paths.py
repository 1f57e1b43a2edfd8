"""JSON paths: ``data.args.password``, ``data.**.email``, ``data.messages.*.content``.

A segment is a key (the case of ASCII letters does not count) or the index of an array's element,
``*`` any one of them, ``**`` any number of them. What a path leads to is rewritten whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from headrace.streams.scrub.tokens import (
    ARRAY,
    BLANK,
    CLOSES,
    COLON,
    COMMA,
    OBJECT,
    Member,
    end_of,
    text_of,
)

Path = tuple[bytes, ...]
State = frozenset[tuple[int, int]]
"""Pairs of a path and a position in it."""

ANY: Final = b"*"
DEEP: Final = b"**"
KEPT: Final = frozenset(
    {b"tenant", b"session", b"epoch", b"seq", b"ts", b"type", b"v", b"turn", b"duration_ms"}
)
"""Of the envelope, by which duplicates are removed and events are counted: never rewritten."""
MOST_STEPS: Final = 20_000
"""Remembered at a time: agents choose the keys."""

_SEGMENT: Final = re.compile(r'[^"\\*\x00-\x1f]+|\*|\*\*')


def parse(path: str) -> Path:
    """Read a path. Raises :class:`ValueError`."""
    parts = path.split(".")
    for part in parts:
        if not _SEGMENT.fullmatch(part):
            raise ValueError(f"{path!r} is no path such as data.args.password or data.**.email")
    segments = tuple(part.encode().lower() for part in parts)
    if segments[0] in (ANY, DEEP):
        raise ValueError(f"{path!r} must begin with a name, such as data")
    if segments[0] in KEPT:
        raise ValueError(f"{path!r}: {parts[0]} is never rewritten")
    if segments == (b"data",) or segments[-1] == DEEP:
        raise ValueError(f"{path!r} leads to all of data: add .*, or what you mean")
    return segments


def hint_of(path: Path) -> str | None:
    """What stands in the bytes of an event that has it, as a pattern; None: nothing that tells."""
    named = [one for one in path[1:] if one not in (ANY, DEEP) and not one.isdigit()]
    word = named[-1] if named else path[0] if path[0] != b"data" else None
    return None if word is None else f'"(?i:{re.escape(word.decode())})"'


class Selected(NamedTuple):
    """A value that paths lead to, by the indexes of its tokens."""

    first: int
    last: int
    rules: tuple[int, ...]
    """In the order of the file."""


@dataclass(slots=True)
class _Frame:
    """An object or array that is being walked through."""

    state: State
    index: int | None
    """Of the element; None: an object."""
    wants_key: bool


class Paths:
    """The paths of all rules, walked side by side. Safe from any thread."""

    def __init__(self, paths: Iterable[tuple[int, Path]]) -> None:
        """Make it of paths with the number of each one's rule."""
        self._paths = tuple(paths)
        self._start = self._reached((number, 0) for number in range(len(self._paths)))
        self._step = lru_cache(MOST_STEPS)(self._stepped)
        self._rules = lru_cache(MOST_STEPS)(self._rules_at)

    def select(self, tokens: list[bytes], member: Member) -> Iterator[Selected]:
        """Yield what paths lead to in one member of an event, and nothing within that."""
        state = self._step(self._start, text_of(tokens[member.key]).lower())
        frames: list[_Frame] = []
        at = member.first if state else member.last + 1
        while at <= member.last:
            token = tokens[at]
            byte = token[0]
            if byte == COMMA:
                state = self._next(frames[-1])
            elif byte in CLOSES:
                frames.pop()
            elif byte <= BLANK or byte == COLON:
                pass
            elif frames and frames[-1].wants_key:
                frames[-1].wants_key = False
                state = self._step(frames[-1].state, text_of(token).lower())
            elif rules := self._rules(state):
                last = end_of(tokens, at)
                yield Selected(at, last, rules)
                at = last
            elif byte == OBJECT:
                frames.append(_Frame(state, None, wants_key=True))
            elif byte == ARRAY:
                frames.append(_Frame(state, 0, wants_key=False))
                state = self._step(state, b"0")
            at += 1

    def _next(self, frame: _Frame) -> State:
        if frame.index is None:
            frame.wants_key = True
            return frame.state
        frame.index += 1
        return self._step(frame.state, b"%d" % frame.index)

    def _stepped(self, state: State, key: bytes) -> State:
        after = []
        for number, at in state:
            path = self._paths[number][1]
            if at == len(path):
                continue
            if path[at] == DEEP:
                after.append((number, at))
            elif path[at] in (ANY, key):
                after.append((number, at + 1))
        return self._reached(after)

    def _reached(self, places: Iterable[tuple[int, int]]) -> State:
        """Add what lies behind a ``**`` that stands for nothing."""
        reached = set(places)
        for number, at in tuple(reached):
            path = self._paths[number][1]
            while at < len(path) and path[at] == DEEP:
                at += 1  # noqa: PLW2901 - walks on
                reached.add((number, at))
        return frozenset(reached)

    def _rules_at(self, state: State) -> tuple[int, ...]:
        ended = {self._paths[n][0] for n, at in state if at == len(self._paths[n][1])}
        return tuple(sorted(ended))
