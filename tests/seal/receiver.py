"""A URL on loopback that keeps what it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Receiver:
    url: str = ""
    got: list[bytes] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(await request.read())
        return web.Response(status=204)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    there, app = Receiver(), web.Application()
    app.router.add_post("/checkpoints", there.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        there.url = f"http://127.0.0.1:{runner.addresses[0][1]}/checkpoints"
        yield there
    finally:
        await runner.cleanup()
