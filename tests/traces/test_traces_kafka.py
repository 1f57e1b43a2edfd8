"""Traces on a real Kafka."""

from __future__ import annotations

import pytest

from tests.traces.behaviour import TracesBehaviour


@pytest.mark.kafka
class TestTracesKafka(TracesBehaviour):
    pass
