"""Rows to export, and how two tables are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from clickhouse_connect.driver.client import Client

from headrace.sinks.clickhouse import INSERT_SETTINGS
from tests.support import unique

EVERYTHING = """
SELECT * EXCEPT ingested_at, refused_if, time, fingerprint, hot FROM {table} FINAL
WHERE tenant = {{tenant:String}}
ORDER BY tenant, session, epoch, seq, fingerprint
"""
"""Of a row all but when it was archived."""


@dataclass
class Store:
    client: Client
    tenant: str = field(default_factory=unique)

    def insert(self, lines: Sequence[bytes], table: str = "events_raw") -> None:
        insert(self.client, lines, table)

    def rows(self, table: str = "events_raw") -> list[Sequence[Any]]:
        return rows(self.client, self.tenant, table)


def insert(client: Client, lines: Sequence[bytes], table: str = "events_raw") -> None:
    """Put lines into the archive as its worker does."""
    client.raw_insert(
        f"headrace.{table}",
        insert_block=b"\n".join(lines),
        settings=dict(INSERT_SETTINGS),
        fmt="JSONEachRow",
    )


def rows(client: Client, tenant: str, table: str = "events_raw") -> list[Sequence[Any]]:
    query = EVERYTHING.format(table=table)
    found = client.query(query, {"tenant": tenant}).result_rows
    # As text: NaN is equal to nothing, and 0.0 to -0.0.
    return [[repr(one) if isinstance(one, float) else one for one in row] for row in found]
