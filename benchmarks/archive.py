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
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psutil
from aiokafka import AIOKafkaProducer

sys.path.insert(0, str(Path(__file__).parent))

from realistic import mix

from headrace.events.identity import new_epoch
from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.local.kafka import EmbeddedKafka
from headrace.sinks import schema
from headrace.sinks.connection import connect
from headrace.streams import topic_admin

TENANTS = 3
BATCH_BYTES = 512 * 1024


def encoded(
    count: int, began: float = 1_764_000_000, rate: float = 1000
) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) as the hook would write them, ``rate`` a second from ``began`` on."""
    epochs: dict[str, list[Any]] = {}
    # Parsing the same sample again and again would time the generator.
    for number, (session, event) in enumerate(mix(count)):
        state = epochs.get(session)
        if state is None:
            tenant = f"tenant-{len(epochs) % TENANTS}"
            state = epochs[session] = [tenant, new_epoch(), 0, 0]
        state[2] += 1
        state[3] += event.type == "turn_begin"
        envelope = {
            "v": 1,
            "tenant": state[0],
            "session": session,
            "user": "u-1",
            "agent": "main",
            "epoch": state[1],
            "seq": state[2],
            "turn": state[3],
            "ts": began + number / rate,
            "type": event.type,
            "data": event.data,
        }
        yield session.encode(), orjson.dumps(envelope)


async def fill(
    address: str, topic: str, partitions: int, events: Iterator[tuple[bytes, bytes]]
) -> int:
    """Produce the events; return their bytes."""
    producer = AIOKafkaProducer(
        bootstrap_servers=address, acks="all", max_batch_size=BATCH_BYTES, linger_ms=0
    )
    await producer.start()
    total = 0
    batches = [producer.create_batch() for _ in range(partitions)]
    try:
        for key, value in events:
            total += len(value)
            partition = zlib.crc32(key) % partitions
            if batches[partition].append(key=key, value=value, timestamp=None) is None:
                batches[partition].close()
                await producer.send_batch(batches[partition], topic, partition=partition)
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=None)
        for partition, batch in enumerate(batches):
            batch.close()
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return total


class Peaks:
    """Samples memory and CPU of processes until stopped."""

    def __init__(self, **pids: int) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._stop = threading.Event()
        self._start = self._cpu()
        self.rss = dict.fromkeys(pids, 0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            for name, process in self._processes.items():
                with contextlib.suppress(psutil.Error):
                    self.rss[name] = max(self.rss[name], process.memory_info().rss)

    def _cpu(self) -> dict[str, float]:
        return {name: sum(p.cpu_times()[:2]) for name, p in self._processes.items()}

    def stop(self) -> dict[str, float]:
        """Return the seconds of CPU that each has used since the start."""
        self._stop.set()
        self._thread.join()
        end = self._cpu()
        return {name: end[name] - self._start[name] for name in end}


@contextlib.contextmanager
def clickhouse(folder: Path) -> Iterator[tuple[ClickHouseSettings, int]]:
    words = {"reader": secrets.token_urlsafe(9), "writer": secrets.token_urlsafe(9)}
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


@contextlib.contextmanager
def worker(
    settings: Settings, arguments: list[str], name: str = "archive"
) -> Iterator[tuple[int, int]]:
    """Run a worker; its process id and the port of its /metrics."""
    assert settings.kafka is not None
    assert settings.clickhouse is not None
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
        "HEADRACE_KAFKA": settings.kafka.bootstrap_servers,
        "HEADRACE_CLICKHOUSE_URL": settings.clickhouse.url,
        "HEADRACE_STATE_DIR": str(settings.state_dir),
        "HEADRACE_TOPIC_PREFIX": settings.topic_prefix,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "headrace.streams.worker", name, *arguments],
        env=env,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["metrics_port"]
        yield process.pid, port
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


def yardstick() -> float:
    """Seconds of a fixed loop: shared machines drift by a factor of two, and so do figures."""
    begin = time.perf_counter()
    total = 0
    for number in range(5_000_000):
        total += number & 7
    return time.perf_counter() - begin


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
        address = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        broker = None if address else EmbeddedKafka(folder)
        address = address or await broker.start()  # type: ignore[union-attr]
        try:
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
                child = broker.child if broker else None
                pid = child.pid if child else None
                result = await asyncio.to_thread(drain, settings, given.events, pid, ch_pid)
        finally:
            if broker is not None:
                await broker.stop()
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
