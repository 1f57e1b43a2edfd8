"""Looking at Kafka, on the embedded broker and on a real one."""

from __future__ import annotations

import pytest

from tests.behaviour.looking import LookingBehaviour


class TestLooking(LookingBehaviour):
    """On the embedded broker."""


@pytest.mark.kafka
class TestLookingOnKafka(LookingBehaviour):
    """On a real Apache Kafka."""
