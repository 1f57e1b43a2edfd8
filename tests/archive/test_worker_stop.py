"""A worker that is told to stop does so, whatever is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from headrace.events.settings import KafkaSettings, Settings
from headrace.local.kafka import EmbeddedKafka
from headrace.streams import topic_admin
from tests.support import wait_until


def joined(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


async def test_sigterm_ends_a_worker_whose_kafka_is_gone(tmp_path: Path) -> None:
    broker = EmbeddedKafka(tmp_path)
    await broker.start()
    try:
        await topic_admin.apply(
            Settings(state_dir=tmp_path, kafka=KafkaSettings(broker.address), partitions=2)
        )
        env = {name: value for name, value in os.environ.items() if "HEADRACE" not in name}
        env["HEADRACE_KAFKA"] = broker.address
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        env["TMPDIR"] = str(temporary)
        env["HEADRACE_CLICKHOUSE_URL"] = "http://writer:x@127.0.0.1:9/headrace"
        worker = subprocess.Popen(
            [sys.executable, "-m", "headrace.streams.worker", "archive", "--session-timeout", "4"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert worker.stdout is not None
            port = json.loads(worker.stdout.readline())["metrics_port"]
            await wait_until(lambda: asyncio.to_thread(joined, port), timeout=60)
            assert list(temporary.glob("headrace-archive-*"))
            assert broker.child is not None
            await broker.child.kill()
            worker.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(worker.wait, 60) == 0
            assert not list(temporary.iterdir())
        finally:
            worker.kill()
            worker.communicate()
    finally:
        await broker.stop()
