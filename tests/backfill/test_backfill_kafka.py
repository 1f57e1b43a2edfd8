"""Backfill on a real Kafka."""

from __future__ import annotations

import pytest

from tests.backfill.behaviour import BackfillBehaviour


@pytest.mark.kafka
class TestBackfillKafka(BackfillBehaviour):
    pass
