"""Forgetting whom scrubbing has hidden, on a real Kafka."""

from __future__ import annotations

import pytest

from tests.forget.scrubbed import ScrubbedBehaviour


@pytest.mark.kafka
class TestScrubbedKafka(ScrubbedBehaviour):
    pass
