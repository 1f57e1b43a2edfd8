"""Which of many events may hold something to scrub: one search over their raw bytes.

Most events hold nothing, and for them this is all that scrubbing costs: some hundred nanoseconds,
without Python's lock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import re2

from headrace.streams.scrub.rule import compiled

PIECE: Final = 128
"""Events that are searched at once: 64 KB of a usual mix."""

ESCAPED: Final = r"[^\\](?:\\\\)*\\(?:u(?:[1-9A-Fa-f]|0[1-9A-Fa-f]|00[2-9A-Fa-f])|/)"
"""An escape of what needs none: a hint may hide behind it."""


class Prefilter:
    """Searches for hints. Safe from any thread."""

    def __init__(self, hints: Sequence[str | None]) -> None:
        """Make it of hints, as patterns; None: there may be something in any event."""
        self._always = tuple(n for n, hint in enumerate(hints) if hint is None)
        self._hinted = tuple((n, hint) for n, hint in enumerate(hints) if hint is not None)
        alternatives = [hint for _, hint in self._hinted] + [ESCAPED]
        self._any = compiled("|".join(f"(?:{one})" for one in alternatives), never_capture=True)
        self._escaped = compiled(ESCAPED, never_capture=True)
        self._which = _set_of(hint for _, hint in self._hinted)

    def suspects(self, values: Sequence[bytes | None]) -> Iterator[int]:
        """Yield the indexes of values that may hold something, in order."""
        if self._always:
            yield from (index for index, value in enumerate(values) if value)
            return
        for start in range(0, len(values), PIECE):
            piece = [value or b"" for value in values[start : start + PIECE]]
            yield from (start + index for index in self._in_piece(piece))

    def is_suspect(self, value: bytes, start: int) -> bool:
        """Whether a value may hold something from one of its bytes on."""
        return bool(self._always) or self._any.search(value, start) is not None

    def hints(self, value: bytes) -> list[int]:
        """Return which hints stand in the value, by number; those that are None among them."""
        found = self._which.Match(value) if self._which is not None else None
        return [*self._always, *(self._hinted[number][0] for number in found or ())]

    def is_escaped(self, value: bytes) -> bool:
        """Whether something may be hidden from :meth:`hints`."""
        return self._escaped.search(value) is not None

    def _in_piece(self, values: list[bytes]) -> Iterator[int]:
        block = b"\n".join(values)
        match = self._any.search(block)
        if match is None:
            return
        ends = list(accumulate(len(value) + 1 for value in values))
        while match is not None:
            index = bisect_right(ends, match.start())
            yield index
            match = self._any.search(block, ends[index]) if ends[index] < len(block) else None


def _set_of(hints: Iterable[str]) -> Any:
    options = re2.Options()
    options.log_errors = False
    found = re2.Set.SearchSet(options)
    count = 0
    for hint in hints:
        found.Add(hint)
        count += 1
    if count == 0:
        return None
    found.Compile()
    return found
