from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.events.envelope import Envelope, decode
from headrace.producers import EventProducer
from headrace.producers.lane import Lane


class Unshipped(EventProducer):
    """The real producer with its real spool, and nobody who ships it."""

    def _look_after_hosts(self) -> None:
        """No shipper."""


@pytest.fixture
def spool_dir(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def make(spool_dir: Path) -> Iterator[Callable[..., Unshipped]]:
    made: list[Unshipped] = []

    def make(**options: Any) -> Unshipped:
        usual: dict[str, Any] = {"tenant": "acme", "spool_dir": spool_dir}
        producer = Unshipped("nowhere:0", **usual | options)
        made.append(producer)
        return producer

    yield make
    for producer in made:
        producer.close(timeout=0)


def spooled_lines(spool_dir: Path) -> list[bytes]:
    """All whole lines of all lanes, each lane's in order."""
    lines: list[bytes] = []
    for lane in Lane.all(spool_dir):
        for number in lane.segments():
            lines += lane.segment_path(number).read_bytes().split(b"\n")[:-1]
    return lines


def spooled(spool_dir: Path) -> list[Envelope]:
    return [decode(line) for line in spooled_lines(spool_dir)]
