"""``headrace demo``: what it prints, and that it leaves nothing behind however it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support import wait_until_sync

pytestmark = pytest.mark.slow

TIMEOUT = 150.0
"""Seconds; bounds a broken demo."""


@dataclass
class Run:
    """A demo in a process of its own, with all the processes that it ever had."""

    process: subprocess.Popen[str]
    temporary: Path
    children: dict[int, psutil.Process] = field(default_factory=dict)

    def look(self) -> bool:
        """Take note of the processes; False once the demo has ended."""
        try:
            found = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self.children.update((child.pid, child) for child in found)
        return self.process.poll() is None

    def runs(self, module: str) -> bool:
        self.look()
        return any(module in " ".join(_command(child)) for child in self.children.values())

    def end(self) -> tuple[int, str, str]:
        wait_until_sync(lambda: not self.look(), TIMEOUT, what="the demo ends")
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err

    def survivors(self) -> list[list[str]]:
        return [_command(child) for child in self.children.values() if _alive(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def started(temporary: Path, *args: str, **more: Any) -> Iterator[Run]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.cli.main", "demo", *args],
        env=environ | {"TMPDIR": str(temporary), "HOME": str(temporary), "COLUMNS": "100"},
        text=True,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more,
    )
    run = Run(process, temporary)
    with process:
        try:
            yield run
        finally:
            if process.poll() is None:
                process.kill()


def test_totals_for_scripts(tmp_path: Path) -> None:
    with started(tmp_path, "--json") as run:
        code, out, err = run.end()
    assert (code, err) == (0, "")
    totals = json.loads(out)
    assert out.count("\n") == 1
    assert totals["tenants"] >= 3
    assert totals["sessions"] >= 12
    assert totals["adds_up"] is True
    accepted = totals["events_accepted"]
    assert accepted == totals["events_delivered"] == totals["events_archived"] > 500
    assert totals["events_dropped"] == {}
    assert totals["events_missing"] == 0
    assert totals["alerts_fired"] == totals["alerts_resolved"] == 5
    assert totals["webhooks_verified"] >= 10
    assert totals["webhooks_refused"] == 0
    axes = totals["four_axes"]
    assert len(axes["trace"]) == 32
    assert min(axes["log_records"], axes["spans"], axes["tool_calls"]) > 0
    assert axes["agree"] is True
    for what in (
        "tool_failures",
        "permission_denials",
        "confirmations_allowed",
        "confirmations_rejected",
        "confirmations_timed_out",
        "llm_retries",
        "max_iterations",
        "sub_agents",
        "memory_clears",
        "cached_tokens",
    ):
        assert totals[what] > 0, what
    called = totals["confirmations_allowed"] + totals["confirmations_rejected"]
    called += totals["confirmations_timed_out"]
    assert totals["evidence"] == {
        "session": totals["sessions"],
        "approval": called,
        "permission": totals["permission_denials"] + called,
        "business": 3 * called,
        "erasure": totals["memory_clears"],
    }
    assert totals["evidence_whole"] is True
    assert run.children
    assert run.survivors() == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_person_sees(tmp_path: Path) -> None:
    """With a terminal for the progress bar, and the archive kept for another look."""
    state = tmp_path / "kept"
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    master, slave = pty.openpty()
    try:
        with started(temporary, "--state-dir", str(state), stderr=slave) as run:
            os.close(slave)
            progress = ""
            while chunk := _read(master):
                progress += chunk
                run.look()
            code, out, _ = run.end()
    finally:
        os.close(master)
    assert code == 0, out
    assert "agents of 4 tenants at work" in progress
    for part in (
        "Sessions by tenant",
        "SELECT",
        "Tools: failures and durations",
        "Tokens by model",
        "Slowest turns",
        "refund-unanswered",
        "webhooks arrived, each with a right signature",
        "fetch_rates fails in 100% of its calls",
        "headrace replay refund-agreed",
        "confirmation: allow by nora",
        "Evidence: selected by the policy, encrypted, sealed; decrypted here",
        'User requests "forget me"',
        "headrace audit verify",
        "whole: ",
        "headrace verify",
        "it adds up",
        f"headrace up --state-dir {state}",
    ):
        assert part in out
    told = re.search(r"^(\d+) webhooks arrived", out, re.MULTILINE)
    assert told
    assert int(told[1]) >= 10
    assert not re.search(r"\x1b|Traceback| $", out, re.MULTILINE)
    assert run.survivors() == []
    assert list(temporary.iterdir()) == []
    assert list(state.iterdir())


def _read(descriptor: int) -> str:
    try:
        return os.read(descriptor, 65_536).decode("utf-8", "replace")
    except OSError:
        return ""  # the other side is closed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "while_runs",
    ["headrace.local", "headrace.streams.worker", "headrace.producers.ship"],
    ids=["while Kafka starts", "while the archive starts", "while agents are at work"],
)
def test_an_interrupt_leaves_nothing(
    tmp_path: Path, while_runs: str, number: signal.Signals
) -> None:
    with started(tmp_path) as run:
        wait_until_sync(lambda: run.runs(while_runs) or not run.look(), TIMEOUT)
        assert run.runs(while_runs), run.end()
        # As a terminal does: to the whole group, and again from someone impatient.
        os.killpg(run.process.pid, number)
        os.killpg(run.process.pid, number)
        code, out, err = run.end()
    assert (code, out, err) == (130, "", "")
    assert run.survivors() == []
    assert list(tmp_path.iterdir()) == []
