"""Following a session: by what is archived in which order, and while a real one runs."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headrace.cli.archive import Archive, connect
from headrace.cli.replay.follow import MOST_HOLES, await_session, follow
from headrace.cli.replay.read import find
from headrace.producers import EventProducer
from tests.cli.conftest import Cli, Stack, command_line, insert, line
from tests.support import unique, wait_until_sync

OTHER = "ffffffffffffffff"


@pytest.fixture
def archive(stack: Stack) -> Iterator[Archive]:
    with connect(stack.settings) as archive:
        yield archive


class Arrivals:
    """Archives one batch a wait, so that a look finds just that."""

    def __init__(self, stack: Stack, tenant: str, *batches: list[bytes]) -> None:
        self._stack = stack
        self._batches = list(batches)
        insert(stack, self._batches.pop(0))
        self.tenant = tenant

    def __call__(self, _: float) -> None:
        insert(self._stack, self._batches.pop(0))


def told(archive: Archive, arrivals: Arrivals) -> list[list[tuple[str, int]]]:
    place = find(archive, "s", arrivals.tenant)
    return [
        [(row.epoch[:2], row.seq) for row in batch]
        for batch in follow(archive, place, wait=arrivals)
    ]


def test_what_comes_late_twice_or_of_another_process_is_told_once(
    archive: Archive, stack: Stack
) -> None:
    tenant = unique()

    def event(seq: int, kind: str = "x", epoch: str = "00" * 8) -> bytes:
        return line(tenant, "s", seq, kind, {}, epoch=epoch)

    arrivals = Arrivals(
        stack,
        tenant,
        [event(1), event(4)],
        [event(5), event(1)],
        [event(2), event(6), event(5)],
        [event(1, epoch=OTHER), event(3)],
        [],
        [event(7, "headrace.epoch_end"), event(2, epoch=OTHER)],
        [event(3, "session_end", epoch=OTHER)],
        [event(4, "headrace.epoch_end", epoch=OTHER)],
        [],
    )
    assert told(archive, arrivals) == [
        [("00", 1)],
        [("00", 4)],
        [("00", 5)],
        [("00", 2), ("00", 6)],
        [("ff", 1), ("00", 3)],
        [],
        [("ff", 2), ("00", 7)],
        [("ff", 3)],
        [("ff", 4)],
        [],
    ]


def test_many_holes_lose_nothing(archive: Archive, stack: Stack) -> None:
    tenant = unique()
    odd = [line(tenant, "s", seq, "x", {}) for seq in range(1, 4 * MOST_HOLES, 2)]
    even = [line(tenant, "s", seq, "x", {}) for seq in range(2, 4 * MOST_HOLES, 2)]
    end = line(tenant, "s", 4 * MOST_HOLES, "headrace.epoch_end", {})
    arrivals = Arrivals(stack, tenant, odd, even[10:], [*even, end], [])
    batches = told(archive, arrivals)
    seqs = [seq for batch in batches for _, seq in batch]
    assert sorted(seqs) == list(range(1, 4 * MOST_HOLES + 1))


def test_a_session_that_has_not_begun_is_waited_for(
    archive: Archive, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    tenant = unique()
    arrivals = Arrivals(stack, tenant, [], [], [line(tenant, "s", 1, "x", {})])
    assert await_session(archive, "s", tenant, wait=arrivals).tenant == tenant
    assert capsys.readouterr().err.count("headrace: waiting: no events of session s") == 1


class Following:
    """``headrace replay --follow`` as a process of its own."""

    def __init__(self, child: subprocess.Popen[str], out: Path) -> None:
        self.child = child
        self._out = out

    def await_text(self, text: str) -> None:
        wait_until_sync(lambda: text in self._out.read_text() or self.child.poll() is not None)
        assert text in self._out.read_text(), self.child.stderr and self.child.stderr.read()

    @property
    def text(self) -> str:
        return self._out.read_text()

    def end(self) -> tuple[int, str]:
        _, err = self.child.communicate(timeout=60)
        return self.child.returncode, err


Start = Callable[..., "Following"]


@pytest.fixture
def following(stack: Stack, tmp_path: Path) -> Iterator[Start]:
    children: list[subprocess.Popen[str]] = []

    def start(*args: str) -> Following:
        out = tmp_path / "followed"
        state = ("--state-dir", str(stack.settings.state_dir))
        whole = command_line("replay", *args, "--follow", "--out", str(out), *state)
        children.append(subprocess.Popen(whole, stderr=subprocess.PIPE, text=True))
        wait_until_sync(lambda: out.exists() or children[-1].poll() is not None)
        return Following(children[-1], out)

    yield start
    for child in children:
        if child.poll() is None:
            child.kill()
        child.communicate()


@contextmanager
def recording(stack: Stack, tenant: str, spool: Path) -> Iterator[EventProducer]:
    kafka = stack.settings.need_kafka()
    with EventProducer(kafka.bootstrap_servers, tenant=tenant, spool_dir=spool) as producer:
        yield producer


@pytest.mark.parametrize("form", ["text", "jsonl"])
def test_a_session_is_told_while_it_runs(
    form: str, stack: Stack, following: Start, on_stack: Cli, tmp_path: Path
) -> None:
    tenant = unique()
    args = ("s", "--tenant", tenant, "--format", form)
    with recording(stack, tenant, tmp_path / "spool") as producer:
        hook = producer.hook("s", user="u-1")
        followed = following(*args)
        hook.emit("turn_begin", {"user_message": "how many?"})
        followed.await_text("how many?")
        hook.emit("llm_text", {"chunk": "four, "})
        hook.emit("llm_text", {"chunk": "or five"})
        hook.emit("error", {"message": "boom"})
        followed.await_text("boom")
        hook.emit("turn_end", {"status": "ok"})
        followed.await_text("turn_end" if form == "jsonl" else "turn 1 ok")
        assert followed.child.poll() is None
    code, err = followed.end()
    assert code == 0
    # With the end of its epoch.
    *waiting, written = err.splitlines()
    assert len(waiting) == err.count("waiting") <= 1
    assert written.endswith("/followed: 6 events")
    assert followed.text == on_stack("replay", *args).out


def test_streamed_text_is_told_before_it_ends_and_ctrl_c_is_clean(
    stack: Stack, following: Start
) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "s", 1, "llm_text", {"chunk": "once upon a time"})])
    followed = following("s", "--tenant", tenant)
    followed.await_text("once upon a time")
    insert(stack, [line(tenant, "s", 3, "x", {}), line(tenant, "s", 4, "y", {})])
    followed.await_text("1 not in the archive: 2..2")
    insert(stack, [line(tenant, "s", 2, "error", {"message": "after all"})])
    followed.await_text("late: after all")
    followed.child.send_signal(signal.SIGINT)
    assert followed.end() == (130, "")
