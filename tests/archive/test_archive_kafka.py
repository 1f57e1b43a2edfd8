"""The archive on a real Kafka."""

from __future__ import annotations

import pytest

from tests.archive.behaviour import ArchiveBehaviour


@pytest.mark.kafka
class TestArchiveKafka(ArchiveBehaviour):
    pass
