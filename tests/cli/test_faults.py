"""What is expected to go wrong: one line that says what to do, never a traceback."""

from __future__ import annotations

import gc
import os
import pty
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from headrace.local.ports import free_port
from tests.cli.conftest import Cli, Stack, command_line, insert, line, process
from tests.support import unique

NEEDS_CLICKHOUSE = (
    ("sql", "SELECT 1"),
    ("sessions",),
    ("replay", "s-1"),
    ("replay", "s-1", "--follow"),
    ("replay", "s-1", "--diff", "s-2"),
    ("schema", "apply"),
    ("schema", "status"),
)
NEEDS_KAFKA = (
    ("topics", "apply"),
    ("topics", "diff"),
    ("tail",),
    ("verify",),
    ("dlq", "list"),
    ("alerts", "list"),
    ("alerts", "deliveries"),
    ("alerts", "redeliver", "--all-parked"),
    ("silence", "list"),
    ("silence", "add", "tenant=acme", "--for", "1h"),
    ("silence", "expire", "3f0c9a"),
)


def one_line(err: str) -> str:
    assert err.count("\n") == 1, err
    assert err.startswith("headrace: ")
    return err


@pytest.mark.parametrize("command", [*NEEDS_CLICKHOUSE, *NEEDS_KAFKA, ("status",)])
def test_without_settings_it_says_which_and_how(command: tuple[str, ...], cli: Cli) -> None:
    ran = cli(*command)
    assert ran.code == 2
    line = one_line(ran.err)
    assert "HEADRACE_CLICKHOUSE_URL" in line or "HEADRACE_KAFKA" in line
    assert "headrace up" in line


@pytest.mark.parametrize("command", NEEDS_CLICKHOUSE)
def test_clickhouse_away(
    command: tuple[str, ...], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", f"http://u:secret-pw@127.0.0.1:{port}/headrace")
    ran = cli(*command)
    assert ran.code == 2
    assert f"127.0.0.1:{port}" in one_line(ran.err) or "ClickHouse is away" in ran.err
    assert "secret-pw" not in ran.err


@pytest.mark.parametrize("command", NEEDS_KAFKA)
def test_kafka_away(command: tuple[str, ...], cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("HEADRACE_KAFKA", f"127.0.0.1:{port}")
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", f"http://127.0.0.1:{port}/headrace")
    ran = cli(*command)
    gc.collect()  # a client that was left open says so when it is collected
    assert ran.code == 2
    assert f"127.0.0.1:{port} does not answer: start it" in one_line(ran.err)


def test_an_unknown_setting_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_KAFKAA", "x")
    assert "HEADRACE_KAFKAA" in one_line(cli("status").err)


def test_a_wrong_password_is_told(cli: Cli, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    address = stack.settings.need_clickhouse().url.rpartition("@")[2]
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", f"http://reader:wrong@{address}")
    ran = cli("sql", "SELECT 1")
    assert ran.code == 2
    assert "refuses the user or password" in one_line(ran.err)


def test_a_closed_pipe_is_silent(stack: Stack) -> None:
    args = ["sql", "SELECT number FROM numbers(3000000)", "--format", "TSV"]
    args += ["--state-dir", str(stack.settings.state_dir)]
    with subprocess.Popen(
        command_line(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() == b"0\n"
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(timeout=60) == 141


def test_a_closed_pipe_in_the_middle_of_a_replay_is_silent(stack: Stack) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "long", n, "x", {"n": "y" * 200}) for n in range(1, 2_001)])
    args = ["replay", "long", "--tenant", tenant, "--state-dir", str(stack.settings.state_dir)]
    with subprocess.Popen(
        command_line(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(timeout=60) == 141


def test_ctrl_c_ends_clean(stack: Stack) -> None:
    args = ["tail", "--state-dir", str(stack.settings.state_dir)]
    with subprocess.Popen(
        command_line(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        # Wherever it is by then: starting, connecting or following.
        try:
            child.wait(timeout=3)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
        assert (child.returncode, out, err) == (130, b"", b"")


@pytest.mark.parametrize("words", [("logs", "--session"), ("replay",), ("search", "x", "--user")])
def test_an_argument_that_is_not_utf_8(on_stack: Cli, words: tuple[str, ...]) -> None:
    ran = on_stack(*words, "s-\udcff")
    assert (ran.code, ran.out) == (2, "")
    one_line(ran.err)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_process_started_without_a_standard_stream(stack: Stack, number: int) -> None:
    words = ["backfill", "-", "--state-dir", str(stack.settings.state_dir)]
    closed = shlex.join(command_line(*words)) + f" {number}>&-"
    ran = subprocess.run(
        ["/bin/sh", "-c", closed], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_no_colour_where_nobody_looks(stack: Stack) -> None:
    ran = process("status", "--state-dir", str(stack.settings.state_dir))
    assert "\x1b" not in ran.stdout


def test_on_a_terminal_tail_says_that_it_follows(stack: Stack) -> None:
    args = ["tail", "--state-dir", str(stack.settings.state_dir)]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command_line(*args), stdout=theirs, stderr=theirs, start_new_session=True
    ) as child:
        os.close(theirs)
        written = b""
        try:
            while b"Ctrl-C ends it" not in written:
                written += os.read(ours, 1024)  # EIO, an OSError, where it has ended
            child.send_signal(signal.SIGINT)
            assert child.wait(timeout=30) == 130
        finally:
            child.kill()
    os.close(ours)


def test_a_log_of_plain_text_is_told_apart_from_events(cli: Cli, tmp_path: Path) -> None:
    log, events = tmp_path / "agentao.log", tmp_path / "events.jsonl"
    log.write_text("2026-11-28 10:00:01,123 INFO agentao: hello\n")
    events.write_bytes(line("acme", "s", 1, "turn_begin", {}) + b"\n" + log.read_bytes())
    for file, told in ((log, True), (events, False)):
        ran = cli("backfill", "--dry-run", str(file))
        assert ran.code == 1
        assert ("`headrace tail-file`" in ran.out) is told
