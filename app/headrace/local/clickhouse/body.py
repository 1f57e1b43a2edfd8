"""A request's body: unpacked, piece by piece, with a bound on how long the client may think."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from headrace.local.clickhouse import codecs
from headrace.local.clickhouse.errors import ClickHouseError

SILENCE_S: Final = 60.0
"""Longest silence in the middle of a body: loopback clients stall only where they are stuck."""
_PIECE: Final = 1 << 18


async def pieces(asked: web.Request) -> AsyncIterator[bytes]:
    """Yield the body. Raises :class:`ClickHouseError`: 209 at a silence, 271 where it is broken."""
    unpacker = codecs.Decompressor(asked.headers.get("Content-Encoding", ""))
    while data := await _next(asked):
        if unpacker.plain:
            yield data  # cutting it would copy it
            continue
        for at in range(0, len(data), _PIECE):
            for piece in unpacker.feed(data[at : at + _PIECE]):
                yield piece
    unpacker.finish()


async def _next(asked: web.Request) -> bytes:
    # A timer and no `wait_for`, which makes a task of its own for every piece of a big body.
    silence = ClickHouseError(209, f"No data for {SILENCE_S:.0f} s", "SOCKET_TIMEOUT")
    timer = asyncio.get_running_loop().call_later(SILENCE_S, asked.content.set_exception, silence)
    try:
        return await asked.content.readany()
    finally:
        timer.cancel()


async def nothing() -> AsyncIterator[bytes]:
    """Yield nothing: the body was a form, and read as one."""
    return
    yield b""


async def read_form(asked: web.Request) -> dict[str, str]:
    """Return the fields of a form (query and bound parameters), none where it is not one.

    Raises :class:`ClickHouseError` (48) for files: external tables are not served.
    """
    if asked.content_type != "multipart/form-data":
        return {}
    found: dict[str, str] = {}
    for name, value in (await asked.post()).items():
        if not isinstance(value, str):
            raise ClickHouseError(48, "External tables are not served here", "NOT_IMPLEMENTED")
        found[name] = value
    return found
