"""What runs a shipper: one at a time, and wherever the agent's interpreter lives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headrace.producers import EventProducer
from headrace.producers.hosts import Host, ThreadHost


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
