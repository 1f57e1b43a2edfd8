"""The report is what was counted where it lies, not what is left over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headrace.producers import limits
from headrace.testing import InMemoryProducer

from .conftest import Unshipped, spooled_lines

Make = Callable[..., Unshipped]


def event(size: int = 100) -> Any:
    return SimpleNamespace(type="llm_call_io", data={"content": "x" * size})


def test_spooled_are_the_lines_that_lie_there(make: Make, spool_dir: Path) -> None:
    producer = make(spool_max_bytes=40_000)
    hook = producer.hook(session="s")
    for _ in range(400):
        hook(event())
    report = producer.report()
    assert report.accepted == 400
    assert 0 < report.dropped[limits.FULL] < 400
    assert report.spooled == len(spooled_lines(spool_dir))


def test_dropped_and_kept_in_memory_are_all_that_came(make: Make) -> None:
    producer = make(durability="memory", memory_max_bytes=20_000)
    hook = producer.hook(session="s")
    for _ in range(400):
        hook(event())
    report = producer.report()
    assert report.accepted == 400
    assert report.dropped[limits.FULL] == 400 - producer._memory.written
    assert report.spooled == producer._memory.written


def test_what_comes_while_it_is_counted_is_not_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    producer = InMemoryProducer()
    hook = producer.hook(session="s")
    count = producer._journal.counts

    def busy() -> tuple[int, dict[str, int]]:
        counted = count()
        hook(event())
        producer.lines()  # and it is delivered at once
        return counted

    monkeypatch.setattr(producer._journal, "counts", busy)
    for _ in range(3):
        assert producer.report().spooled >= 0


async def test_async_with_ends_the_epochs() -> None:
    async with InMemoryProducer() as producer:
        producer.hook(session="s")(event())
        assert await producer.flush(timeout=5)
    assert [one.type for one in producer.events()] == ["llm_call_io", "headrace.epoch_end"]
    producer.hook(session="s")(event())
    assert len(producer.events()) == 2
