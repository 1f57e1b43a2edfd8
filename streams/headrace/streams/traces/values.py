"""What of an event's data may stand in a span: cut, of the expected type, or not at all."""

from __future__ import annotations

import math
import re
from typing import Any, Final

import orjson

NAME_CHARS: Final = 256
"""Of the name of a tool, a model or an agent."""
CONTENT_CHARS: Final = 16_384
"""Of a message, an argument or a result, where content is captured."""
REASON_CHARS: Final = 1024
"""Of what stands in an event of a span: with all of them it still fits into a record."""
OTHER: Final = "_OTHER"
"""What OpenTelemetry calls a kind that is none of the known ones."""

_WORD: Final = re.compile(r"[A-Za-z0-9_.:=/+-]{1,64}")
_LARGEST: Final = 2**63 - 1


def name(value: Any) -> str | None:
    """Return a name, cut; None where there is none."""
    return value[:NAME_CHARS] if isinstance(value, str) and value else None


def word(value: Any) -> str | None:
    """Return a word that a program chose: a status, a reason, a class of error.

    Whatever may be somebody's sentence is ``_OTHER``.
    """
    if value is None or value == "":
        return None
    return value if isinstance(value, str) and _WORD.fullmatch(value) else OTHER


def count(value: Any) -> int | None:
    """Return a number of something."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    return value if whole and 0 <= value <= _LARGEST else None


def amount(value: Any) -> float | None:
    """Return a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if math.isfinite(value) else None


def content(value: Any, most: int = CONTENT_CHARS) -> str | None:
    """Return a text, or the JSON of what is none, cut; None where there is nothing.

    What is nested so deep that orjson reads it but does not write it is ``_OTHER``.
    """
    if value is None or value == "":
        return None
    try:
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
    except TypeError:
        return OTHER
    return text[:most]
