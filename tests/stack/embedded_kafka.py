"""The embedded broker, one for the whole test session: tests use topic prefixes of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.local.background import BackgroundLoop
from headrace.local.kafka import EmbeddedKafka


@pytest.fixture(scope="session")
def embedded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``host:port`` of the embedded broker."""
    loop = BackgroundLoop("embedded kafka")
    broker = EmbeddedKafka(tmp_path_factory.mktemp("embedded-kafka"))
    try:
        yield loop.run(broker.start())
    finally:
        loop.run(broker.stop())
        loop.close()
