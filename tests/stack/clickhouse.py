"""A private local ClickHouse server."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from headrace.events.settings import ClickHouseSettings
from headrace.local.background import BackgroundLoop
from headrace.local.child import Child


@dataclass(frozen=True)
class LocalClickHouse:
    """A running server: what the workers use, and what readers use."""

    port: int
    writer: ClickHouseSettings
    reader: ClickHouseSettings
    child: Child


async def start_clickhouse(directory: Path) -> LocalClickHouse:
    """Start a server on its own data. The caller stops ``child``."""
    passwords = {"reader": secrets.token_urlsafe(24), "writer": secrets.token_urlsafe(24)}
    file = directory / "credentials.json"
    file.touch(mode=0o600)
    file.write_bytes(orjson.dumps(passwords))
    argv = [
        sys.executable,
        "-m",
        "headrace.local.clickhouse",
        "--data-dir",
        str(directory / "data"),
    ]
    argv += ["--host", "127.0.0.1", "--port", "0", "--credentials-file", str(file)]
    child = await Child.start(
        "clickhouse", argv, env=os.environ, log=directory / "clickhouse.log", cwd=directory
    )
    try:
        port = int((await child.ready_line(timeout=60.0))["port"])
    except BaseException:
        await child.kill()
        raise

    def settings(user: str) -> ClickHouseSettings:
        return ClickHouseSettings(f"http://{user}:{passwords[user]}@127.0.0.1:{port}/headrace")

    return LocalClickHouse(port, settings("writer"), settings("reader"), child)


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """One server for the whole test session."""
    loop = BackgroundLoop("clickhouse")
    server = loop.run(start_clickhouse(tmp_path_factory.mktemp("clickhouse")))
    try:
        yield server
    finally:
        loop.run(server.child.stop(timeout=10.0))
        loop.close()


@pytest.fixture
def clickhouse(clickhouse_server: LocalClickHouse) -> ClickHouseSettings:
    """The writer's settings of the session's server (database ``headrace``, no schema applied).

    Shared by all tests: tell rows apart by a tenant of your own (``support.unique()``).
    """
    return clickhouse_server.writer
