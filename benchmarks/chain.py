"""The whole chain to measure: the local stack, or the same workers on a real Kafka."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # the harness of the tests starts the brokers

from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.local.background import BackgroundLoop
from headrace.local.parts import ClickHousePart, WorkerPart
from headrace.local.stack import LocalStack, variables_of
from headrace.local.state_dir import StateDir
from headrace.sinks import schema
from headrace.streams import topic_admin
from tests.stack.real_kafka import KafkaCluster
from tests.support import wait_until


@dataclass
class Chain:
    """Running processes: where they are, and which."""

    settings: Settings
    """Kafka, and ClickHouse as the writer."""
    pids: dict[str, int]


@dataclass
class Peaks:
    """The peak resident memory (VmHWM) of each process, by name, sampled while it lives."""

    pids: dict[str, int]
    kib: dict[str, int] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Peaks:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def follow(self, process: subprocess.Popen[str], name: str, child: str) -> None:
        """Also watch a process, and the first child that it starts."""
        self.pids[name] = process.pid
        self._child = (process.pid, child)

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self._look_for_child()
            for name, pid in list(self.pids.items()):
                with contextlib.suppress(OSError):
                    self.kib[name] = max(self.kib.get(name, 0), _high_water(pid))

    _child: tuple[int, str] | None = None

    def _look_for_child(self) -> None:
        if self._child is None or self._child[1] in self.pids:
            return
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._child[0]).children():
                self.pids[self._child[1]] = child.pid


def _high_water(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Make a parser of what every measurement of the chain takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kafka", action="store_true", help="a real Apache Kafka")
    parser.add_argument("--json", type=Path, help="also write the result here")
    return parser


def run(
    given: argparse.Namespace,
    measure: Callable[[Chain, Path], dict[str, Any]],
    *,
    workers: Sequence[str] = ("archive",),
    rules: str = "",
) -> dict[str, Any]:
    """Measure a chain of its own in a directory of its own; print the result, and return it.

    ``rules`` is the text of a rules file.
    """
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        directory = Path(name)
        settings = Settings(state_dir=directory / "state")
        if rules:
            (directory / "rules.toml").write_text(rules)
            settings = replace(settings, alert_rules=directory / "rules.toml")
        make = _on_real_kafka if given.kafka else _local
        with make(directory, settings, workers) as running:
            kafka = "Apache Kafka" if given.kafka else "embedded"
            result = {"kafka": kafka, "cpus": os.cpu_count(), **measure(running, directory)}
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result))
    return result


@contextlib.contextmanager
def _local(directory: Path, settings: Settings, workers: Sequence[str]) -> Iterator[Chain]:
    with LocalStack(directory / "state", settings=settings, workers=workers) as stack:
        pids = {part["name"]: part["pid"] for part in stack.status()["parts"]}
        yield Chain(stack.writer, pids)


@contextlib.contextmanager
def _on_real_kafka(directory: Path, settings: Settings, workers: Sequence[str]) -> Iterator[Chain]:
    loop, state = BackgroundLoop("chain"), StateDir(directory / "state")
    cluster = KafkaCluster(directory / "kafka")
    state.acquire()
    words = state.credentials()
    clickhouse = ClickHousePart(state, 0, os.environ)
    parts: list[ClickHousePart | WorkerPart] = [clickhouse]
    try:
        cluster.start()
        loop.run(clickhouse.start())
        url = f"http://writer:{words['writer']}@{clickhouse.address}/headrace"
        settings = replace(
            settings,
            kafka=KafkaSettings(cluster.bootstrap),
            clickhouse=ClickHouseSettings(url),
        )
        schema.apply(settings.need_clickhouse())
        loop.run(topic_admin.apply(settings))
        running = [
            WorkerPart(name, state, {**os.environ, **variables_of(settings)}) for name in workers
        ]
        for worker in running:
            loop.run(worker.start())
            parts.insert(0, worker)

        async def well() -> bool:
            return all([(await worker.health()).trouble is None for worker in running])

        loop.run(wait_until(well, 60))
        broker = cluster.brokers[0].child
        assert broker is not None
        pids = {part.name: part.child.pid for part in parts if part.child is not None}
        yield Chain(settings, {"kafka": broker.pid, **pids})
    finally:
        for part in parts:
            if part.child is not None:
                part.child.signal(signal.SIGTERM)
                loop.run(part.child.stop(20))
        cluster.close()
        state.release()
        loop.close()
