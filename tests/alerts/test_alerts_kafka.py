"""The alerts on a real Kafka."""

from __future__ import annotations

import pytest

from tests.alerts.behaviour import AlertsBehaviour


@pytest.mark.kafka
class TestAlertsKafka(AlertsBehaviour):
    pass
