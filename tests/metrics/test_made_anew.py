"""A topic that is another log than the one that was read ends the worker, whatever Faust saw."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from headrace.events.errors import HeadraceError
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import same_log
from headrace.streams.app import remove_directory
from headrace.streams.metrics.processor import MetricsProcessor
from headrace.streams.worker_metrics import Metrics

SETTINGS = Settings(state_dir=Path("/nowhere"), kafka=KafkaSettings("127.0.0.1:9"))


async def test_a_topic_made_anew_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def incarnation_of(_kafka: object, topic: str) -> str:
        assert topic == "agent.events"
        return "cluster/second"

    monkeypatch.setattr(same_log, "incarnation_of", incarnation_of)
    processor = MetricsProcessor(SETTINGS, Metrics())
    inside = cast("Any", processor)
    inside._link = SimpleNamespace(producer=None, incarnation="cluster/first")
    telling = asyncio.create_task(inside._keep_telling())
    try:
        error = await asyncio.wait_for(processor.failed, 10)
        assert isinstance(error, HeadraceError)
        assert "made anew" in str(error)
        with pytest.raises(HeadraceError, match="made anew"):
            await inside._starts(set())
    finally:
        telling.cancel()
        await asyncio.wait([telling])
        remove_directory(processor.app)
