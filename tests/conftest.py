"""Fixtures that every test can ask for.

``kafka``: bootstrap servers of the embedded broker, or of a real Apache Kafka under the marker
``kafka``. See ``tests/behaviour/`` for how one test runs on both.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from headrace.producers import whose

# On a machine that may be busy: no deadline, slow generation is no failure.
settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

pytest_plugins = [
    "tests.stack.embedded_kafka",
    "tests.stack.real_kafka",
    "tests.stack.secure_kafka",
    "tests.stack.clickhouse",
]


@pytest.fixture
def kafka(request: pytest.FixtureRequest) -> str:
    """Bootstrap servers (``host:port``). Use a topic prefix of your own (``support.unique()``)."""
    if request.node.get_closest_marker("kafka3"):
        bootstrap: str = request.getfixturevalue("kafka3").bootstrap
        return bootstrap
    name = "real_kafka" if request.node.get_closest_marker("kafka") else "embedded_kafka"
    address: str = request.getfixturevalue(name)
    return address


@pytest.fixture(autouse=True)
def _in_no_session() -> None:
    """A test that ends in the middle of a turn leaves it open in the main thread's context."""
    whose.CURRENT.set(None)
