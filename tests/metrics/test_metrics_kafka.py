"""The metrics on a real Kafka."""

from __future__ import annotations

import pytest

from tests.metrics.behaviour import MetricsBehaviour


@pytest.mark.kafka
class TestMetricsKafka(MetricsBehaviour):
    pass
