"""``headrace up`` as people run it: a process that is told to stop, or killed."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson
import psutil
import pytest

from headrace.local.kafka import cluster_id
from headrace.local.stack import WORKERS
from tests.local.rows import query
from tests.support import wait_until_sync

HEADRACE = Path(sys.executable).with_name("headrace")
PARTS = {
    "tansu broker",
    "headrace.local.clickhouse",
    "headrace.producers.ship",
    *(f"headrace.streams.worker {name}" for name in WORKERS),
}


@dataclass
class Up:
    process: subprocess.Popen[str]
    state_dir: Path
    children: list[psutil.Process]

    @property
    def stack(self) -> dict[str, str]:
        content: dict[str, str] = orjson.loads((self.state_dir / "stack.json").read_bytes())
        return content

    def parts(self) -> set[str]:
        """What the children run; a command line that is no part's stands for itself."""
        lines = [" ".join(child.cmdline()) for child in self.children]
        return {next((part for part in PARTS if part in line), line) for line in lines}

    def survivors(self) -> list[psutil.Process]:
        return [child for child in self.children if child.is_running() and not _dead(child)]


def _dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _start(state_dir: Path, **more: str) -> subprocess.Popen[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    # A service account may have no home.
    environ.pop("HOME", None)
    return subprocess.Popen(
        [HEADRACE, "up", "--state-dir", state_dir],
        stderr=subprocess.PIPE,
        env=environ | more,
        text=True,
    )


def _written(file: Path) -> int | None:
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def running(state_dir: Path, **more: str) -> Iterator[Up]:
    # What a killed stack left is there until the next one takes it away.
    left = _written(state_dir / "stack.json")
    process = _start(state_dir, **more)
    try:
        wait_until_sync(
            lambda: (
                _written(state_dir / "stack.json") not in {None, left} or process.poll() is not None
            ),
            90,
        )
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield Up(process, state_dir, psutil.Process(process.pid).children(recursive=True))
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_up_tells_its_addresses_and_stops_when_told(tmp_path: Path, number: int) -> None:
    with running(tmp_path / "state") as up:
        assert set(up.stack) == {"kafka", "clickhouse", "metrics", "console"}
        assert await cluster_id(up.stack["kafka"])
        assert (await query(up.stack["clickhouse"], "SELECT 1 + 1")).strip() == "2"
        assert up.parts() == PARTS

        for private in ("stack.json", "credentials.json"):
            assert stat.S_IMODE((up.state_dir / private).stat().st_mode) == 0o600
        assert stat.S_IMODE(up.state_dir.stat().st_mode) == 0o700

        up.process.send_signal(number)
        assert up.process.wait(60) == 0
        assert not (up.state_dir / "stack.json").exists()
        assert not up.survivors()
        said = up.process.stderr.read() if up.process.stderr else ""
        assert "ready" in said
        assert "alert rules: the shipped file: 5 rules, 0 receivers (nobody is told" in said
        assert "was killed" not in said


def test_kill_9_leaves_no_orphans_and_the_next_up_starts(tmp_path: Path) -> None:
    # Nobody listens there: its worker runs all the same.
    with running(tmp_path / "state", HEADRACE_OTLP_ENDPOINT="http://127.0.0.1:9") as up:
        (otlp,) = up.parts() - PARTS
        assert "headrace.streams.worker otlp" in otlp
        assert up.parts() - {otlp} == PARTS
        up.process.kill()
        up.process.wait(10)
        wait_until_sync(lambda: not up.survivors(), 10)
    with running(tmp_path / "state") as again:
        again.process.terminate()
        assert again.process.wait(60) == 0


def test_a_second_up_on_the_same_directory_says_what_to_do(tmp_path: Path) -> None:
    with running(tmp_path / "state") as up:
        second = _start(tmp_path / "state")
        _, said = second.communicate(timeout=30)
        assert second.returncode == 2
        last = said.strip().splitlines()[-1]
        assert str(up.process.pid) in last
        assert "--state-dir" in last
        assert "Traceback" not in said
        # The first one is as it was.
        assert up.process.poll() is None
        assert (up.state_dir / "stack.json").exists()


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    state_dir = tmp_path / "state"
    process = _start(state_dir)
    wait_until_sync((state_dir / "logs" / "clickhouse.log").exists, 60)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert not [child for child in children if child.is_running() and not _dead(child)]
    assert not (state_dir / "stack.json").exists()


def test_nothing_is_started_with_rules_that_are_wrong(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[receiver]]\nname = "ops"\nkind = "webhook"\nurl_env = "NO_SUCH"\nsecret_env = "NONE"\n'
    )
    with _start(tmp_path / "state", HEADRACE_ALERT_RULES=str(rules)) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith(f"headrace: {rules}:4: receiver 'ops': ")
    assert f"headrace alerts check {rules}" in said
    assert not (tmp_path / "state").exists()


def test_nothing_is_started_with_a_certificate_that_is_none(tmp_path: Path) -> None:
    otlp = {"ENDPOINT": "https://127.0.0.1:9", "CERTIFICATE": str(tmp_path / "none.pem")}
    variables = {f"HEADRACE_OTLP_{name}": value for name, value in otlp.items()}
    with _start(tmp_path / "state", **variables) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.startswith("headrace: HEADRACE_OTLP_CERTIFICATE cannot be used: ")
    assert not (tmp_path / "state").exists()
