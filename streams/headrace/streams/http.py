"""``/metrics`` and ``/healthz`` of a worker."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from headrace.streams.worker_metrics import Metrics


class StatusServer:
    """Serves on one port (0: any) of one address, on the running loop."""

    def __init__(self, metrics: Metrics, unhealthy: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._unhealthy = unhealthy
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port. Raises OSError where it is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", self._get_health)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _get_metrics(self, request: web.Request) -> web.Response:
        text, content_type = self._metrics.render(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    async def _get_health(self, request: web.Request) -> web.Response:
        reason = self._unhealthy()
        return web.Response(text=(reason or "ok") + "\n", status=503 if reason else 200)
