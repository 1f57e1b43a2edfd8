"""Telling of a read before it is made, on a real Kafka."""

from __future__ import annotations

import pytest

from tests.desk.access_behaviour import AccessBehaviour


@pytest.mark.kafka
class TestAccessKafka(AccessBehaviour):
    pass
