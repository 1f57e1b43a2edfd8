"""What is searched for, byte by byte: the name and the sessions, however they may be written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final

_WORD: Final = rb"[A-Za-z0-9_\-]"
_LONGEST_LENGTH: Final = 127
"""A length that ClickHouse writes in one byte before a text."""


class Needles:
    """Finds texts that stand for themselves: ``u-1`` is not in ``u-10``. Immutable."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts = sorted({text for text in texts if text})
        spellings = {one for text in self.texts for one in _spellings(text)}
        words = b"|".join(re.escape(one) for one in sorted(spellings))
        # In a part the byte before a text is its length, and that may be a letter.
        whole = b"|".join(
            re.escape(bytes([len(one)]) + one)
            for one in sorted(spellings)
            if len(one) <= _LONGEST_LENGTH
        )
        free = rb"(?<!%b)(?:%b)(?!%b)" % (_WORD, words, _WORD)
        self._search = re.compile(rb"%b|(?:%b)" % (free, whole) if whole else free).search
        self._text = re.compile(free).search
        self.pattern = "|".join(
            f"(^|[^A-Za-z0-9_-]){_quoted(one)}($|[^A-Za-z0-9_-])" for one in sorted(spellings)
        )
        """For RE2, which looks neither ahead nor back."""

    def __bool__(self) -> bool:
        return bool(self.texts)

    def inside(self, content: bytes) -> bool:
        """Whether one stands in bytes of any kind."""
        return self._search(content) is not None

    def inside_text(self, content: bytes) -> bool:
        """Whether one stands in a text, where no byte is a length."""
        return self._text(content) is not None


def _spellings(text: str) -> set[bytes]:
    """Return a text as it may stand in a file: itself, and as JSON escapes it."""
    raw = text.encode("utf-8", "surrogatepass")
    escaped = json.dumps(text)[1:-1].encode()
    plain = json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")
    return {raw, escaped, plain}


def _quoted(spelling: bytes) -> str:
    """Quote for RE2, which knows no escape of letters and of what is not ASCII."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", spelling.decode("utf-8", "replace"))
