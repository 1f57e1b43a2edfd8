"""The piece of a text around what was found, and where in it the words stand."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from headrace.cli.search.words import Asked

BEFORE: Final = 60
AFTER: Final = 140


@dataclass(frozen=True, slots=True)
class Snippet:
    """One line of the text, as the agent wrote it: whoever prints it makes it safe."""

    text: str
    marks: tuple[tuple[int, int], ...]
    """Where words that were asked for stand in it, ends excluded, in order."""


def cut(text: str, asked: Asked) -> Snippet:
    """Cut a text to a line around the first thing asked for, the rarest kind first."""
    line = " ".join(text.split())
    patterns = [_pattern(part) for part in (*asked.phrases, *asked.words)]
    first = next((found.start() for one in patterns if one and (found := one.search(line))), 0)
    begin = max(0, first - BEFORE)
    end = min(len(line), first + AFTER)
    shown = f"{'…' if begin else ''}{line[begin:end]}{'…' if end < len(line) else ''}"
    spans = (found.span() for one in patterns if one for found in one.finditer(shown))
    return Snippet(shown, tuple(_apart(sorted(spans))))


def _pattern(part: str) -> re.Pattern[str] | None:
    """Return what finds a part in a text, marks between its words aside. For showing only."""
    words = re.findall(r"[^\W_]+", part) or [part.strip()]
    between = r"[\W_]*"
    spelt = between.join(re.escape(word) for word in words)
    edge = r"(?<![a-zA-Z0-9])", r"(?![a-zA-Z0-9])"
    inner = rf"{edge[0]}{spelt}{edge[1]}" if words[0].isascii() else spelt
    try:
        return re.compile(unicodedata.normalize("NFC", inner), re.IGNORECASE)
    except re.error:
        return None


def _apart(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for begin, end in spans:
        if end > begin and (not kept or begin >= kept[-1][1]):
            kept.append((begin, end))
    return kept
