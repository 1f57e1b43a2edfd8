"""Commands against the session's ClickHouse, and rows in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.connection import connect
from tests.cli.conftest import Cli, _no_settings_of_the_host, cli
from tests.export.support import Store
from tests.stack.clickhouse import LocalClickHouse

__all__ = ["_no_settings_of_the_host", "cli", "export", "store"]


@pytest.fixture
def store(clickhouse: ClickHouseSettings) -> Iterator[Store]:
    schema.apply(clickhouse)
    client = connect(clickhouse)
    yield Store(client)
    client.close()


@pytest.fixture
def export(cli: Cli, clickhouse_server: LocalClickHouse, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run ``headrace export`` as a reader of the session's server."""
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", clickhouse_server.reader_url)
    return lambda *args: cli("export", *args)
