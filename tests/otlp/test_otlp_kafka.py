"""The worker ``otlp`` on a real Kafka."""

from __future__ import annotations

import pytest

from tests.otlp.behaviour import OtlpBehaviour


@pytest.mark.kafka
class TestOtlpKafka(OtlpBehaviour):
    """As on the embedded broker."""
