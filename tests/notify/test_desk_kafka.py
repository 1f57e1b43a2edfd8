"""Deliveries and silences in people's hands, on a real Kafka."""

from __future__ import annotations

import pytest

from tests.notify.desk_behaviour import DeskBehaviour


@pytest.mark.kafka
class TestDeskKafka(DeskBehaviour):
    pass
