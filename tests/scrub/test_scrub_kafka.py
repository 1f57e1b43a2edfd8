"""Scrubbing before the archive, on a real Kafka."""

from __future__ import annotations

import pytest

from tests.scrub.behaviour import ScrubBehaviour


@pytest.mark.kafka
class TestScrubKafka(ScrubBehaviour):
    pass
