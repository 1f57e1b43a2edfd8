"""A local stack for the commands, rows to read, and two ways to run a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.cli.main import run
from headrace.events.settings import ClickHouseSettings, Settings, load
from headrace.local.state_dir import StateDir
from headrace.sinks.clickhouse import INSERT_SETTINGS
from headrace.sinks.connection import connect
from tests.support import wait_until_sync

EPOCH = "00112233aabbccdd"
START = 1_700_000_000.0


@pytest.fixture(autouse=True)
def _no_settings_of_the_host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("HEADRACE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HEADRACE_STATE_DIR", str(tmp_path / "no-stack"))


@dataclass(frozen=True)
class Stack:
    """A running ``headrace up``."""

    settings: Settings
    """As readers have them."""
    writer: ClickHouseSettings


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, ClickHouse and the archive for the whole session. Keep to a tenant of your own.

    A process of its own: its threads here would draw random numbers while Hypothesis does.
    """
    directory = tmp_path_factory.mktemp("stack") / "state"
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    up = subprocess.Popen(
        command_line("up", "--state-dir", str(directory)), env=environ, stderr=subprocess.PIPE
    )
    try:
        wait_until_sync(
            lambda: up.poll() is not None or (directory / "stack.json").exists(), timeout=90
        )
        assert up.poll() is None, up.communicate()
        settings_of_stack = load({}, state_dir=directory)
        passwords = StateDir(directory).credentials()
        address = settings_of_stack.need_clickhouse().url.rpartition("@")[2]
        writer = ClickHouseSettings(f"http://writer:{passwords['writer']}@{address}")
        yield Stack(settings_of_stack, writer)
    finally:
        up.send_signal(signal.SIGINT)
        _, err = up.communicate(timeout=60)
    assert (up.returncode, err.splitlines()[-1]) == (0, b"headrace: stopped")


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON lines it printed."""
        return [orjson.loads(line) for line in self.out.splitlines()]


Cli = Callable[..., Ran]


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Run a command in this process."""

    def call(*args: str) -> Ran:
        capfd.readouterr()
        code = run(args)
        out, err = capfd.readouterr()
        return Ran(code, out, err)

    return call


@pytest.fixture
def on_stack(cli: Cli, stack: Stack) -> Cli:
    """Run a command against the stack."""
    return lambda *args: cli(*args, "--state-dir", str(stack.settings.state_dir))


def process(*args: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    return subprocess.run(
        command_line(*args), capture_output=True, text=True, timeout=60, check=False, **more
    )


def command_line(*args: str) -> list[str]:
    return [sys.executable, "-m", "headrace.cli.main", *args]


def line(tenant: str, session: str, seq: int, kind: str, data: Any, **more: Any) -> bytes:
    """One event as the archive takes it."""
    event = {
        "v": 1,
        "tenant": tenant,
        "session": session,
        "epoch": EPOCH,
        "seq": seq,
        "ts": START + seq / 10,
        "type": kind,
        "data": data,
    }
    return orjson.dumps(event | more)


def insert(stack: Stack, lines: Sequence[bytes], table: str = "events_raw") -> None:
    """Put events, or log records, into the archive as its worker does."""
    client = connect(stack.writer)
    client.raw_insert(
        f"headrace.{table}",
        insert_block=b"\n".join(lines),
        settings=dict(INSERT_SETTINGS),
        fmt="JSONEachRow",
    )
    client.close()
