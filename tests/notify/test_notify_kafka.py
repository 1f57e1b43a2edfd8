"""The worker of ``notify`` on a real Kafka."""

from __future__ import annotations

import pytest

from tests.notify.behaviour import NotifyBehaviour


@pytest.mark.kafka
class TestNotifyKafka(NotifyBehaviour):
    pass
