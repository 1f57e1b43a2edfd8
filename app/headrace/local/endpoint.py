"""The supervisor's HTTP endpoint, on loopback: the status, the metrics, the latest evidence."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from headrace.events.errors import HeadraceError
from headrace.local.clickhouse.auth import Credentials, authenticate
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.ports import free_port

Page = Callable[[Mapping[str, Any]], str]
"""Renders a status as HTML."""
Evidence = Callable[[], str]
"""Tells of a view of the evidence, and renders it as HTML. Blocks; raises HeadraceError."""
READER: Final = "audit_reader"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Endpoint:
    """Serves the stack's status. Read-only, and to this machine's own programs alone.

    The Host is checked (DNS rebinding) and any request that a browser marks with an Origin is
    refused: no web page can read the status. Evidence asks for ``audit_reader``'s password on top.
    """

    def __init__(
        self,
        *,
        status: Callable[[], Awaitable[Mapping[str, Any]]],
        metrics: Callable[[], Awaitable[CollectorRegistry]],
        page: Page | None,
        evidence: Evidence | None,
        credentials: Credentials,
    ) -> None:
        self._status = status
        self._metrics = metrics
        self._page = page
        self._evidence = evidence
        self._credentials = credentials
        self._one_view = asyncio.Lock()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, preferred_port: int = 0) -> int:
        """Serve on a free loopback port (the preferred one where it is free)."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/status.json", self._get_status)
        app.router.add_get("/metrics", self._get_metrics)
        if self._page is not None:
            app.router.add_get("/", self._get_page)
        if self._evidence is not None:
            app.router.add_get("/audit", self._get_evidence)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=2.0)
        await self._runner.setup()
        for port in (preferred_port, 0, 0, 0):
            self.port = free_port(port)
            try:
                await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
            except OSError:
                continue  # taken since we looked
            return self.port
        raise OSError("no free loopback port for the status page")

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        if request.headers.get("Host") not in {f"127.0.0.1:{self.port}", f"localhost:{self.port}"}:
            return web.Response(status=403, text="this server answers to its loopback name only\n")
        if "Origin" in request.headers:
            return web.Response(status=403, text="not for web pages\n")
        response = await handler(request)
        response.headers.update(_HEADERS)
        return response

    async def _get_status(self, _request: web.Request) -> web.Response:
        body = orjson.dumps(await self._status(), option=orjson.OPT_INDENT_2)
        return web.Response(body=body, content_type="application/json")

    async def _get_metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = encode(await self._metrics())
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def _get_page(self, _request: web.Request) -> web.Response:
        assert self._page is not None  # noqa: S101 - the route exists only then
        return web.Response(text=self._page(await self._status()), content_type="text/html")

    async def _get_evidence(self, request: web.Request) -> web.Response:
        assert self._evidence is not None  # noqa: S101 - the route exists only then
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            # Another site could not see the answer, but each view is evidence of the reader's.
            return web.Response(status=403, text="not for other sites\n")
        if not self._is_reader(request):
            ask = {"WWW-Authenticate": 'Basic realm="headrace evidence", charset="UTF-8"'}
            return web.Response(status=401, headers=ask, text=f"for {READER} only\n")
        try:
            async with self._one_view:
                body = await asyncio.to_thread(self._evidence)
        except HeadraceError as error:
            return web.Response(status=503, text=f"{' '.join(str(error).split())}\n")
        return web.Response(text=body, content_type="text/html")

    def _is_reader(self, request: web.Request) -> bool:
        try:
            return authenticate(self._credentials, request.headers, {}) == READER
        except ClickHouseError:
            return False
