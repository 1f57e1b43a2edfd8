"""``python -m headrace.local.clickhouse``: the process that ``headrace up`` starts."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path

from aiohttp import web

from headrace.events.errors import SettingsError
from headrace.local.clickhouse.auth import load_credentials
from headrace.local.clickhouse.engine import Engine
from headrace.local.clickhouse.pool import Limits, Pool
from headrace.local.clickhouse.server import Server

LOOPBACK = ("127.0.0.1", "localhost", "::1")
STOP_S = 20.0
"""Longest wait for running writes at a stop: an INSERT of a worker takes far less."""


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="headrace.local.clickhouse", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--host", choices=LOOPBACK, default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--credentials-file", type=Path, required=True)
    parser.add_argument("--memory", type=int, default=4 << 30, help="bytes for the whole engine")
    options = parser.parse_args(argv)
    try:
        asyncio.run(_serve(options))
    except SettingsError as error:
        sys.stderr.write(f"headrace.local.clickhouse: {error}\n")
        return 1
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    credentials = load_credentials(options.credentials_file)
    tenants = credentials.audit_tenants
    engine = Engine(options.data_dir, memory=options.memory, audit_tenants=tenants)
    pool = Pool(engine, Limits())
    server = Server(pool, credentials)
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        auto_decompress=False,
        read_bufsize=1 << 20,  # bodies are megabytes
        handler_cancellation=True,
        shutdown_timeout=1.0,  # what still runs then is a read, and is cancelled
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {options.host}:{options.port}: {error}"
            ) from None
        server.port = runner.addresses[0][1]
        sys.stdout.write(json.dumps({"port": server.port}) + "\n")
        sys.stdout.flush()
        await stop.wait()
        await site.stop()
        await server.drain(STOP_S)
    finally:
        await runner.cleanup()
        await asyncio.to_thread(pool.close)


if __name__ == "__main__":
    sys.exit(main())
