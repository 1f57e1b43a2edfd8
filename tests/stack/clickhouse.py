"""A private local ClickHouse for tests: a real process on a port of its own."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from headrace.events.settings import ClickHouseSettings
from headrace.local.clickhouse.auth import USERS

DATABASE = "headrace"


@dataclass(frozen=True, slots=True)
class LocalClickHouse:
    process: subprocess.Popen[bytes]
    data_dir: Path
    port: int
    reader_password: str
    writer_password: str
    audit_reader_password: str

    @property
    def reader_url(self) -> str:
        return f"http://reader:{self.reader_password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def audit_reader_url(self) -> str:
        word = self.audit_reader_password
        return f"http://audit_reader:{word}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def writer_url(self) -> str:
        return f"http://writer:{self.writer_password}@127.0.0.1:{self.port}/{DATABASE}"

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
            raise


def start_clickhouse(directory: Path, *arguments: str) -> LocalClickHouse:
    """Start a server on ``directory`` and return once it answers."""
    directory.mkdir(parents=True, exist_ok=True)
    credentials = directory / "credentials.json"
    if not credentials.exists():
        credentials.touch(mode=0o600)
        words = {user: secrets.token_urlsafe(9) for user in USERS}
        credentials.write_text(json.dumps(words))
    passwords = json.loads(credentials.read_text())
    command = [sys.executable, "-m", "headrace.local.clickhouse"]
    command += ["--data-dir", str(directory / "data"), "--port", "0"]
    command += ["--credentials-file", str(credentials), *arguments]
    with (directory / "stderr.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
    if not line:
        process.kill()
        process.wait(10)
        raise RuntimeError((directory / "stderr.log").read_text()[-2000:])
    return LocalClickHouse(
        process,
        directory / "data",
        json.loads(line)["port"],
        passwords["reader"],
        passwords["writer"],
        passwords["audit_reader"],
    )


@contextlib.contextmanager
def running_clickhouse(directory: Path, *arguments: str) -> Iterator[LocalClickHouse]:
    """Start a private server, yield it, stop it."""
    server = start_clickhouse(directory, *arguments)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def clickhouse_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """One server for the whole test session."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        yield server


@pytest.fixture
def clickhouse(clickhouse_server: LocalClickHouse) -> ClickHouseSettings:
    """The writer's settings of the session's server (database ``headrace``, no schema applied).

    Shared by all tests: tell rows apart by a tenant of your own (``support.unique()``).
    """
    return ClickHouseSettings(clickhouse_server.writer_url)
