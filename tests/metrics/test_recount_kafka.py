"""The recount on a real Kafka."""

from __future__ import annotations

import pytest

from tests.metrics.recount_behaviour import RecountBehaviour


@pytest.mark.kafka
class TestRecountKafka(RecountBehaviour):
    pass
