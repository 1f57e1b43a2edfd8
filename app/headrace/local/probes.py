"""Is a part alive? Small HTTP GETs over loopback."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import aiohttp

PROBE_TIMEOUT_S: Final = 5.0
"""Loopback answers in milliseconds; a part that is busy with one large batch gets this long."""

_OK: Final = 200
_LONGEST: Final = 500
"""Characters of what a part says: why, and what to do."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a part says of itself."""

    trouble: str | None = None
    """None: it does its work."""
    waits: bool = False
    """The trouble is another part's: starting this one again would not help."""


WELL: Final = Health()


async def fetch(url: str, *, timeout: float = PROBE_TIMEOUT_S) -> tuple[int, str] | None:
    """Return (status, body) of a GET that was answered in time, else None. Never raises."""
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        # trust_env stays off: a proxy has no business on loopback.
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as response:
            return response.status, await response.text()
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError, UnicodeDecodeError):
        return None


async def health(url: str) -> Health:
    """Ask a health endpoint: 200 is well; the body of anything else says what is not."""
    answer = await fetch(url)
    if answer is None:
        return Health(f"no answer within {PROBE_TIMEOUT_S:g} s")
    status, body = answer
    if status == _OK:
        return WELL
    trouble = body.strip()[:_LONGEST] or f"answers {status}"
    return Health(trouble, waits="waits for its sink" in trouble)


async def text(url: str) -> str:
    """Return the body of a GET that gave 200, else nothing."""
    answer = await fetch(url)
    return answer[1] if answer is not None and answer[0] == _OK else ""
