"""A short life with a slow disk in it: what a producer took in its first second is delivered."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from headrace.producers import EventProducer
from tests.support import unique

from .log import create_topic


def chunk(i: int) -> SimpleNamespace:
    return SimpleNamespace(type="llm_text", data={"i": i})


@pytest.mark.parametrize("slow", [1, 20, 40], ids=["first", "middle", "last"])
async def test_what_went_to_memory_and_what_stayed_in_the_lane_are_delivered(
    kafka: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: int
) -> None:
    prefix = unique() + "."
    await create_topic(kafka, prefix + "agent.events")
    producer = EventProducer(kafka, tenant="t", spool_dir=tmp_path / "spool", topic_prefix=prefix)
    hook = producer.hook(session="s")
    written = 0

    def sometimes_slow(fd: int, data: bytes) -> int:
        nonlocal written
        written += 1
        if written == slow:
            time.sleep(1.1)
        return os.write(fd, data)

    producer._store.write = sometimes_slow
    for i in range(40):
        hook(chunk(i))
    report = await asyncio.to_thread(producer.close, 20)
    assert (report.accepted, report.delivered, report.spooled) == (41, 41, 0)
    assert report.dropped == {}
