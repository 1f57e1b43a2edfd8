"""The round trip on a real Kafka."""

from __future__ import annotations

import pytest

from tests.export.behaviour import RoundTripBehaviour


@pytest.mark.kafka
class TestRoundTripKafka(RoundTripBehaviour):
    pass
