"""Durations as people write them: ``90s``, ``5m``, ``1h30m``, ``7d``."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_WHOLE: Final = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))


def seconds_of(text: str) -> int:
    """Read a duration; whole seconds.

    Raises :class:`ValueError` that says how durations are written.
    """
    found = _WHOLE.fullmatch(text)
    if not text or found is None:
        raise ValueError(f"{text!r} is no duration: write it like 90s, 5m, 1h30m or 7d")
    return sum(
        int(number) * unit
        for number, unit in zip(found.groups(), _UNITS.values(), strict=True)
        if number
    )


def written(seconds: int) -> str:
    """Write whole seconds as :func:`seconds_of` and Prometheus read them."""
    parts = []
    for name, unit in _UNITS.items():
        number, seconds = divmod(seconds, unit)
        if number:
            parts.append(f"{number}{name}")
    return "".join(parts) or "0s"
