r"""Text of agents, made safe to print: whatever they say must not drive the terminal.

Escape sequences, control characters, bidirectional overrides, invisible characters and lone
surrogates are shown as what they are (``\x1b``, ``\u202e``). Markup is a matter of output:
nothing of theirs is ever parsed as rich markup (see :mod:`headrace.cli.output`).
"""

from __future__ import annotations

import json
import math
import unicodedata
from functools import lru_cache
from typing import Any, Final

_HOSTILE_CATEGORIES: Final = frozenset(
    {
        "Cc",  # C0, DEL and C1 controls: escape sequences start here
        "Cf",  # bidi overrides and isolates, zero-width, tags, soft hyphen
        "Cn",  # unassigned: tomorrow's controls
        "Co",  # private use: fonts and terminals draw what they like
        "Cs",  # lone surrogates cannot be encoded
        "Zl",  # line separator
        "Zp",  # paragraph separator
    }
)
_INVISIBLE_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0")
_SELECTORS: Final = range(0xE0100, 0xE01F0)  # variation selectors carry hidden text
MAX_LINE: Final = 2_000
"""Characters of a one-line message. An error that quotes a query can be long."""


def safe_text(value: object, *, newlines: bool = False, limit: int | None = None) -> str:
    """Return ``str(value)`` with everything that could drive a terminal shown as an escape.

    ``newlines`` lets line feeds and tabs through, for text that is printed as a block. ``limit``
    cuts to that many characters and says how many were left out.
    """
    text = value if isinstance(value, str) else str(value)
    left_out = 0
    if limit is not None and len(text) > limit:
        left_out = len(text) - limit
        text = text[:limit]
    if text.isascii() and text.isprintable():
        safe = text
    else:
        safe = "".join(c if newlines and c in "\n\t" else _safe_character(c) for c in text)
    return f"{safe} … ({left_out:,} more characters)" if left_out else safe


@lru_cache(maxsize=4096)
def _safe_character(character: str) -> str:
    code = ord(character)
    hostile = (
        unicodedata.category(character) in _HOSTILE_CATEGORIES
        or character in _INVISIBLE_LETTERS
        or code in _SELECTORS
    )
    if not hostile:
        return character
    if code == ord("\n"):
        return "\\n"
    if code == ord("\t"):
        return "\\t"
    if code <= 0xFF:  # noqa: PLR2004 - the width of \x
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004 - and of \u


def one_line(text: str) -> str:
    """Fold a message of a library to one safe line."""
    return safe_text(" ".join(text.split()), limit=MAX_LINE)


def safe_json(value: Any) -> str:
    """Encode as one line of JSON in printable ASCII: safe on a terminal, exact for a script.

    What JSON has no word for (an infinite number, as 1e400 is read) becomes a string, and what is
    nested too deep to be written a word on that.
    """
    try:
        encoded = json.dumps(value, allow_nan=False, separators=(",", ":"), default=str)
    except ValueError:
        return safe_json(_finite(value))
    except RecursionError:
        return '"<nested too deep>"'
    return encoded.replace("\x7f", "\\u007f")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
