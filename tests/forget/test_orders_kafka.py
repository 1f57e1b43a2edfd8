"""Standing orders on a real Kafka."""

from __future__ import annotations

import pytest

from tests.forget.behaviour import OrdersBehaviour


@pytest.mark.kafka
class TestOrdersKafka(OrdersBehaviour):
    pass
