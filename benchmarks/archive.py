"""Drain a full topic into ClickHouse through the real worker: events a second, memory, CPU.

    python benchmarks/archive.py [--events 2000000] [--partitions 4] [--json FILE]

Fills ``agent.events`` with a realistic mix, then starts the archive worker and times it from its
first insert to the last row. Runs on the embedded broker, or on KAFKA_BOOTSTRAP_SERVERS.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from full_topic import encoded, fill
from one_worker import Peaks, topics, total, worker, yardstick

from headrace.events.settings import ClickHouseSettings, Settings
from headrace.sinks import schema
from headrace.sinks.connection import connect
from tests.stack.clickhouse import running_clickhouse


@contextlib.asynccontextmanager
async def empty_archive(settings: Settings) -> AsyncIterator[tuple[Settings, dict[str, int]]]:
    """Run a broker and a ClickHouse that hold nothing: the settings completed, and their pids."""
    with running_clickhouse(settings.state_dir) as server:
        clickhouse = ClickHouseSettings(server.writer_url)
        schema.apply(clickhouse)
        async with topics(replace(settings, clickhouse=clickhouse)) as (complete, broker):
            pids = {"clickhouse": server.process.pid} | ({"broker": broker} if broker else {})
            yield complete, pids


def drain(settings: Settings, count: int, pids: dict[str, int]) -> dict[str, Any]:
    """Run the worker until all rows are there."""
    client = connect(settings.need_clickhouse())

    def number(sql: str) -> Any:
        return client.query(sql).result_rows[0][0]

    with worker(settings, ["--session-timeout", "6"]) as (pid, port):
        peaks = Peaks(worker=pid, **pids)
        started = first = 0.0
        while True:
            rows = number("SELECT count() FROM events_raw")
            if rows and not started:
                started, first = time.monotonic(), rows
            if rows >= count:
                break
            time.sleep(0.25)  # every question costs the server what fifty thousand rows do
        seconds = time.monotonic() - started
        cpu = peaks.stop()
        inserts = total(port, "headrace_archive_batches_total")
    distinct = number("SELECT count() FROM events")
    identities = number("SELECT uniqExact(tenant, session, epoch, seq) FROM events_raw")
    ledger = number("SELECT sum(archived) FROM epochs")
    disk = number(
        "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts"
        " WHERE active AND table = 'events_raw'"
    )
    return {
        "events": count,
        "seconds": seconds,
        "events_per_second": (count - first) / seconds,
        "rows_per_insert": round(count / max(inserts, 1)),
        "yardstick_seconds": round(yardstick(), 3),
        "rows_in_view": distinct,
        "distinct_identities": identities,
        "in_ledger": ledger,
        "bytes_on_disk_per_row": disk,
        "peak_rss_mb": {name: value >> 20 for name, value in peaks.rss.items()},
        "cpu_us_per_event": {name: round(value / count * 1e6, 2) for name, value in cpu.items()},
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        empty = Settings(state_dir=Path(name), partitions=given.partitions)
        async with empty_archive(empty) as (settings, pids):
            print(f"filling {given.events:,} events", flush=True)
            begin = time.monotonic()
            size = await fill(settings, encoded(given.events))
            rate = given.events / (time.monotonic() - begin)
            print(f"filled: {size / given.events:.0f} bytes an event, {rate:,.0f}/s", flush=True)
            result = await asyncio.to_thread(drain, settings, given.events, pids)
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
