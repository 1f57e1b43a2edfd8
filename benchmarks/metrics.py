"""Count a full topic into panes through the real worker: events a second of one core.

    python benchmarks/metrics.py [--events 2000000] [--partitions 4] [--json FILE]

Fills ``agent.events`` with a realistic mix, then starts the metrics worker on one processor, the
broker having the other, and times it from the first event counted to the last. Runs on the embedded
broker, or on KAFKA_BOOTSTRAP_SERVERS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import secrets
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent))

from archive import Peaks, encoded, fill, worker, yardstick

from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.local.kafka import EmbeddedKafka
from headrace.streams import topic_admin

RATE = 120_000
"""Events in a second of their own time: as many panes as such a stream would have."""


def counted(port: int) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return sum(map(float, re.findall(r"^agent_events_total\{.*\} (\S+)$", text, re.MULTILINE)))


def drain(settings: Settings, count: int, broker: int | None) -> dict[str, Any]:
    with worker(settings, ["--session-timeout", "6"], "metrics") as (pid, port):
        last = max(psutil.Process().cpu_affinity() or [0])
        psutil.Process(pid).cpu_affinity([last])
        peaks = Peaks(worker=pid, **({"broker": broker} if broker else {}))
        started = first = 0.0
        while (now := counted(port)) < count:
            if now and not started:
                started, first = time.monotonic(), now
            time.sleep(0.5)  # every question costs the worker some milliseconds
        seconds = time.monotonic() - started
        cpu = peaks.stop()
    return {
        "events": count,
        "events_per_second": round((count - first) / seconds),
        "events_per_second_of_worker_cpu": round(count / cpu["worker"]),
        "cpu_us_per_event": {name: round(value / count * 1e6, 2) for name, value in cpu.items()},
        "peak_rss_mb": {name: value >> 20 for name, value in peaks.rss.items()},
        "yardstick_seconds": round(yardstick(), 3),
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
            settings = Settings(
                state_dir=folder,
                kafka=KafkaSettings(address),
                clickhouse=ClickHouseSettings("http://127.0.0.1:9/headrace"),
                topic_prefix=f"bench-{secrets.token_hex(4)}.",
                partitions=given.partitions,
            )
            await topic_admin.apply(settings)
            print(f"filling {given.events:,} events", flush=True)
            topic = settings.topic("agent.events")
            events = encoded(given.events, time.time(), RATE)
            await fill(address, topic, given.partitions, events)
            child = broker.child if broker else None
            pid = child.pid if child else None
            result = await asyncio.to_thread(drain, settings, given.events, pid)
        finally:
            if broker is not None:
                await broker.stop()
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
