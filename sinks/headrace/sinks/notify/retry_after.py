"""The header ``Retry-After``."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = 3600.0
"""Seconds. An alert is not put off for longer, whatever a receiver asks for."""


def seconds_of(header: str | None, now: float) -> float | None:
    """Return how many seconds to wait, from 0 to :data:`LONGEST`; None for no or a wrong header.

    ``now`` is Unix seconds, for a header that holds a date.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=timezone.utc)
        at = date.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(at - now, 0.0), LONGEST)
