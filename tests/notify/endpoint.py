"""A receiver of ours on loopback: it checks signatures and answers as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web
from multidict import CIMultiDictProxy
from standardwebhooks import Webhook, WebhookVerificationError


@dataclass
class Got:
    """One request."""

    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    verified_by: list[str]
    """The secrets that the signature is good for."""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Endpoint:
    """Where the receiver listens, what it got, what it answers next (then 200)."""

    port: int
    secrets: list[str] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    answers: deque[web.Response | str] = field(default_factory=deque)
    """A response, or ``hang`` or ``drop`` (the connection)."""
    look: Callable[[], None] = lambda: None
    """Called while a request is there."""

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook?k=v"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.look()
        good = [secret for secret in self.secrets if _verifies(secret, body, request.headers)]
        self.got.append(Got(request.path_qs, request.headers, body, good))
        answer = self.answers.popleft() if self.answers else web.Response()
        if answer == "hang":
            await asyncio.Event().wait()
        if answer == "drop":
            assert request.transport is not None
            request.transport.close()
        return answer if isinstance(answer, web.StreamResponse) else web.Response()


@asynccontextmanager
async def endpoint(*secrets: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Endpoint]:
    there = Endpoint(0, list(secrets))
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", there.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        there.port = runner.addresses[0][1]
        yield there
    finally:
        await runner.cleanup()


def _verifies(secret: str, body: bytes, headers: CIMultiDictProxy[str]) -> bool:
    try:
        Webhook(secret).verify(body, dict(headers))
    except WebhookVerificationError:
        return False
    return True
