"""The split on a real Kafka."""

from __future__ import annotations

import pytest

from tests.audit.behaviour import SplitBehaviour


@pytest.mark.kafka
class TestSplitKafka(SplitBehaviour):
    pass
