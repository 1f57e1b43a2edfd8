"""What runs a shipper: one at a time, and wherever the agent's interpreter lives."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.producers import EventProducer
from headrace.producers.hosts import Host, ProcessHost, ThreadHost
from headrace.producers.warn import Warnings
from tests.support import unique

from .log import create_topic


class Counted(ThreadHost):
    """Is never alive, and counts its starts."""

    def __init__(self) -> None:
        self.starts = 0

    def alive(self) -> bool:
        return False

    def start(self) -> None:
        self.starts += 1

    def stop(self, timeout: float) -> None:
        pass


class Interrupted(dict[Host, float]):
    """When it is first read, another thread comes between that and what follows."""

    between: Callable[[], None] | None = None

    def _read(self, value: float | None) -> float | None:
        between, self.between = self.between, None
        if between is not None:
            other = threading.Thread(target=between)
            other.start()
            other.join()
        return value

    def get(self, host: Host, default: float | None = None) -> float | None:  # type: ignore[override]
        return self._read(super().get(host, default))

    def pop(self, host: Host, default: float | None = None) -> float | None:  # type: ignore[override]
        return self._read(super().pop(host, default))


@pytest.fixture
def producer(tmp_path: Path) -> Iterator[EventProducer]:
    made = EventProducer("127.0.0.1:9", tenant="t", spool_dir=tmp_path / "spool", shipper="thread")
    yield made
    made.close(0)


def test_two_threads_start_one_shipper(producer: EventProducer) -> None:
    host = producer._lane_host = Counted()
    times = producer._start_at = Interrupted({host: 0.0})
    times.between = lambda: producer._keep_running(host)
    producer._keep_running(host)
    for starting in [t for t in threading.enumerate() if t.name == "headrace-start"]:
        starting.join()
    assert host.starts == 1


@pytest.mark.parametrize("executable", ["/usr/bin/uwsgi", "", None])
async def test_where_the_program_is_not_python_a_thread_ships(
    kafka: str,
    tmp_path: Path,
    executable: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    prefix = unique() + "."
    await create_topic(kafka, prefix + "agent.events")
    with caplog.at_level(logging.WARNING, "headrace.producers"):
        producer = EventProducer(kafka, tenant="t", spool_dir=tmp_path, topic_prefix=prefix)
        producer.hook(session="s")(SimpleNamespace(type="x", data={}))
        report = await asyncio.to_thread(producer.close, 30)
    assert report.delivered == report.accepted == 2
    (warning,) = [r.message for r in caplog.records if r.name == "headrace.producers"]
    assert repr(executable) in warning


def test_a_shipper_that_fails_is_heard_of(caplog: pytest.LogCaptureFixture) -> None:
    host = ProcessHost(lambda: b"no job", lambda: None, Warnings())
    with caplog.at_level(logging.WARNING, "headrace.producers"):
        for _ in range(3):
            host.start()
            assert host._process is not None
            host._process.wait(60)
    (warning,) = caplog.messages
    assert "exit code 1" in warning
