"""The whole audit trail on a real Kafka."""

from __future__ import annotations

import pytest

from tests.trail.behaviour import TrailBehaviour


@pytest.mark.kafka
class TestTrailKafka(TrailBehaviour):
    pass
