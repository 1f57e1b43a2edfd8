"""Bytes an event on disk: ClickHouse, against the same events as JSON lines under zstd.

Real content of agents (see realistic.py), written as the archive's worker writes it, merged, then
measured by column from the server's own books.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
from backports import zstd
from clickhouse_connect.driver.client import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from realistic import mix

from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.clickhouse import INSERT_SETTINGS
from headrace.sinks.connection import connect
from tests.stack.clickhouse import running_clickhouse

BATCH = 20_000
START = 1_764_000_000.0


def lines(count: int) -> Iterator[bytes]:
    """Events as the hook writes them: of four tenants and a hundred users, twelve a second."""
    draw = random.Random(3)
    epochs: dict[str, tuple[str, str, str, itertools.count[int]]] = {}
    for at, (session, event) in enumerate(mix(count)):
        if session not in epochs:
            tenant, user = f"tenant-{draw.randrange(4)}", f"user-{draw.randrange(100)}"
            epochs[session] = tenant, user, f"{draw.getrandbits(64):016x}", itertools.count(1)
        tenant, user, epoch, numbers = epochs[session]
        seq = next(numbers)
        ts = round(START + at / 12 + draw.random() / 100, 6)
        head = {"v": 1, "tenant": tenant, "session": session, "user": user, "agent": "main"}
        body = {"epoch": epoch, "seq": seq, "turn": 1 + seq // 40, "ts": ts, "type": event.type}
        yield orjson.dumps({**head, **body, "data": event.data})


def insert(client: Client, table: str, events: list[bytes]) -> float:
    """Insert in batches; return events a second."""
    began = time.perf_counter()
    for at in range(0, len(events), BATCH):
        client.raw_insert(
            f"headrace.{table}",
            insert_block=b"\n".join(events[at : at + BATCH]),
            settings=dict(INSERT_SETTINGS),
            fmt="JSONEachRow",
        )
    return len(events) / (time.perf_counter() - began)


def sizes(client: Client, table: str) -> tuple[int, list[tuple[str, int, int]]]:
    """Return bytes on disk after merging, and by column compressed and not."""
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    of = {"t": table}
    where = "WHERE active AND database = 'headrace' AND table = {t:String}"
    ((disk,),) = client.query(
        f"SELECT sum(bytes_on_disk) FROM system.parts {where}", of
    ).result_rows
    columns = client.query(
        "SELECT column, sum(column_data_compressed_bytes) AS packed,"
        f" sum(column_data_uncompressed_bytes) FROM system.parts_columns {where}"
        " GROUP BY column ORDER BY packed DESC",
        of,
    ).result_rows
    return disk, [(name, packed, plain) for name, packed, plain in columns]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500_000)
    given = parser.parse_args()
    events = list(lines(given.events))
    text = b"\n".join(events) + b"\n"
    count = len(events)
    print(f"{count:,} events, {len(text) / count:.1f} bytes of JSON each")
    for level in (3, 19):
        packed = len(zstd.compress(text, level=level))
        print(f"JSONL, zstd -{level}: {packed / count:.2f} bytes an event")
    with tempfile.TemporaryDirectory() as directory, running_clickhouse(Path(directory)) as server:
        settings = ClickHouseSettings(server.writer_url)
        schema.apply(settings)
        client = connect(settings, timeout=600)
        insert(client, "events_raw", events[: 2 * BATCH])  # the engine warms up
        client.command("TRUNCATE TABLE events_raw")
        speed = insert(client, "events_raw", events)
        disk, columns = sizes(client, "events_raw")
        print(f"ClickHouse, merged: {disk / count:.2f} bytes an event; {speed:,.0f} events/s in")
        for name, packed, plain in columns:
            if packed / count >= 0.01:
                print(f"  {name:<20} {packed / count:7.2f} of {plain / count:8.2f}")
        client.close()


if __name__ == "__main__":
    main()
