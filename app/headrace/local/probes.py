"""Is a part alive? Small HTTP GETs over loopback."""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

PROBE_TIMEOUT_S: Final = 5.0
"""Loopback answers in milliseconds; a part that is busy with one large batch gets this long."""


async def answers(url: str, *, timeout: float = PROBE_TIMEOUT_S) -> bool:
    """Whether a GET gives 200 in time."""
    return await fetch(url, timeout=timeout) is not None


async def fetch(url: str, *, timeout: float = PROBE_TIMEOUT_S) -> str | None:
    """Return the body of a GET that gave 200 in time, else None."""
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        # trust_env stays off: a proxy has no business on loopback.
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url) as response:
            return await response.text() if response.status == 200 else None  # noqa: PLR2004
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError, UnicodeDecodeError):
        return None
