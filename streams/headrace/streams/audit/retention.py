"""How long evidence is kept, as people write it: ``90 d``, ``7 y``, ``indefinite``."""

from __future__ import annotations

import re
from typing import Final

INDEFINITE: Final = "indefinite"
_SPAN: Final = re.compile(r"([1-9][0-9]{0,4}) ?([dy])")
_MOST_DAYS: Final = 100 * 366


def days_of(text: str) -> int | None:
    """Read a retention; whole days, None for ever.

    A year is never short of a calendar's: seven years hold up to two leap days. Raises
    :class:`ValueError` that says how retentions are written.
    """
    if text == INDEFINITE:
        return None
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f'{text!r} is no retention: write it like "90 d", "7 y" or "{INDEFINITE}"')
    number, unit = int(found[1]), found[2]
    days = number if unit == "d" else -(-number * 1461 // 4)
    if days > _MOST_DAYS:
        raise ValueError(f'{text!r} is longer than 100 years: write "{INDEFINITE}"')
    return days


def written(days: int | None) -> str:
    """Write a retention as :func:`days_of` reads it: in years where it is whole years."""
    if days is None:
        return INDEFINITE
    years = days * 4 // 1461
    return f"{years} y" if years and -(-years * 1461 // 4) == days else f"{days} d"
