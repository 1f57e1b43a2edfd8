from __future__ import annotations

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.connection import connect


@pytest.fixture
def tables(clickhouse: ClickHouseSettings) -> ClickHouseSettings:
    """A server with the schema."""
    schema.apply(clickhouse)
    return clickhouse


@pytest.fixture
def client(tables: ClickHouseSettings) -> Iterator[Client]:
    made = connect(tables)
    yield made
    made.close()
