"""Following files, on a real Kafka."""

from __future__ import annotations

import pytest

from tests.tail_file.behaviour import TailFileBehaviour


@pytest.mark.kafka
class TestTailFileKafka(TailFileBehaviour):
    pass
