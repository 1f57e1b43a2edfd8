"""A broker, one worker of headrace on it, and what the worker takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness of the tests starts the brokers

from headrace.events.settings import KafkaSettings, Settings
from headrace.local.kafka import EmbeddedKafka
from headrace.streams import topic_admin
from tests.stack.real_kafka import KafkaCluster


@contextlib.asynccontextmanager
async def broker(folder: Path, *, real: bool = False) -> AsyncIterator[tuple[str, int | None]]:
    """Run a broker, embedded or a real Apache Kafka: its address and, where it is ours, its pid.

    KAFKA_BOOTSTRAP_SERVERS goes before both.
    """
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield given, None
    elif real:
        cluster = KafkaCluster(folder / "kafka")
        try:
            await asyncio.to_thread(cluster.start)
            child = cluster.brokers[0].child
            yield cluster.bootstrap, child.pid if child else None
        finally:
            await asyncio.to_thread(cluster.close)
    else:
        embedded = EmbeddedKafka(folder)
        try:
            address = await embedded.start()
            yield address, embedded.child.pid if embedded.child else None
        finally:
            await embedded.stop()


@contextlib.asynccontextmanager
async def topics(
    settings: Settings, *, real: bool = False
) -> AsyncIterator[tuple[Settings, int | None]]:
    """Run a broker in the state directory with empty topics of names of their own.

    The settings completed by both, and the broker's pid where it is ours.
    """
    async with broker(settings.state_dir, real=real) as (address, pid):
        complete = replace(
            settings,
            kafka=KafkaSettings(address),
            topic_prefix=f"bench-{secrets.token_hex(4)}.",
        )
        await topic_admin.apply(complete)
        yield complete, pid


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
def worker(
    settings: Settings, arguments: list[str], name: str = "archive"
) -> Iterator[tuple[int, int]]:
    """Run a worker; its process id and the port of its /metrics."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HEADRACE_")},
        "HEADRACE_KAFKA": settings.need_kafka().bootstrap_servers,
        "HEADRACE_STATE_DIR": str(settings.state_dir),
        "HEADRACE_TOPIC_PREFIX": settings.topic_prefix,
    }
    if settings.clickhouse is not None:
        env["HEADRACE_CLICKHOUSE_URL"] = settings.clickhouse.url
    if settings.scrub is not None:
        env["HEADRACE_SCRUB"] = str(settings.scrub)
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


def total(port: int, series: str) -> float:
    """Read from a worker's /metrics what a series (a pattern of names) adds up to."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(map(float, re.findall(rf"^(?:{series})(?:\{{.*\}})? (\S+)$", text, re.MULTILINE)))


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """What this thread starts meanwhile has the last processor, all its threads together."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def yardstick() -> float:
    """Seconds of a fixed loop: shared machines drift by a factor of two, and so do figures."""
    begin = time.perf_counter()
    total = 0
    for number in range(5_000_000):
        total += number & 7
    return time.perf_counter() - begin
