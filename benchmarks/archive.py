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
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from full_topic import encoded, fill
from one_worker import Peaks, broker, worker, yardstick

from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.local.clickhouse.auth import USERS
from headrace.sinks import schema
from headrace.sinks.connection import connect
from headrace.streams import topic_admin


@contextlib.contextmanager
def clickhouse(folder: Path) -> Iterator[tuple[ClickHouseSettings, int]]:
    words = {user: secrets.token_urlsafe(9) for user in USERS}
    credentials = folder / "credentials.json"
    credentials.touch(mode=0o600)
    credentials.write_text(json.dumps(words))
    command = [sys.executable, "-m", "headrace.local.clickhouse", "--port", "0"]
    command += ["--data-dir", str(folder / "data"), "--credentials-file", str(credentials)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        url = f"http://writer:{words['writer']}@127.0.0.1:{port}/headrace"
        yield ClickHouseSettings(url), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def metric(port: int, name: str) -> float:
    """Read one of the worker's own counters, over all labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith((name + " ", name + "{"))
    )


def drain(settings: Settings, count: int, broker: int | None, ch_pid: int) -> dict[str, Any]:
    """Run the worker until all rows are there."""
    assert settings.clickhouse is not None
    client = connect(settings.clickhouse)

    def number(sql: str) -> Any:
        return client.query(sql).result_rows[0][0]

    with worker(settings, ["--session-timeout", "6"]) as (pid, port):
        pids = {"worker": pid, "clickhouse": ch_pid} | ({"broker": broker} if broker else {})
        peaks = Peaks(**pids)
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
        inserts = metric(port, "headrace_archive_batches_total")
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
        folder = Path(name)
        async with broker(folder) as (address, broker_pid):
            with clickhouse(folder) as (target, ch_pid):
                settings = Settings(
                    state_dir=folder,
                    kafka=KafkaSettings(address),
                    clickhouse=target,
                    topic_prefix=f"bench-{secrets.token_hex(4)}.",
                    partitions=given.partitions,
                )
                schema.apply(target)
                await topic_admin.apply(settings)
                print(f"filling {given.events:,} events", flush=True)
                begin = time.monotonic()
                topic = settings.topic("agent.events")
                size = await fill(address, topic, given.partitions, encoded(given.events))
                rate = given.events / (time.monotonic() - begin)
                print(
                    f"filled: {size / given.events:.0f} bytes an event, {rate:,.0f}/s", flush=True
                )
                result = await asyncio.to_thread(drain, settings, given.events, broker_pid, ch_pid)
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
