"""`headrace backfill` of a realistic archive: lines a second, to the last acknowledgement.

    python benchmarks/backfill.py [--lines 1000000] [--kind seed|export] [--packed zst]

Runs the whole command as a process of its own, on the embedded broker or on
KAFKA_BOOTSTRAP_SERVERS, and counts what the topic then holds. CPU is the command's own: what a core
that has nothing else to do gets through is lines by CPU second.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import orjson
from full_topic import encoded, held
from one_worker import topics, yardstick
from realistic import mix

from headrace.events.settings import Settings


def seed_lines(count: int) -> Iterator[bytes]:
    """Lines as the seed's EventArchiver writes them."""
    for number, (session, event) in enumerate(mix(count)):
        yield json.dumps(
            {
                "ts": 1_764_000_000 + number / 1000,
                "session": session,
                "tenant": f"tenant-{len(session) % 3}",
                "type": event.type,
                "data": event.data,
            }
        ).encode()


def write(path: Path, kind: str, count: int) -> int:
    size = 0
    lines = seed_lines(count) if kind == "seed" else (value for _, value in encoded(count))
    with opened(path) as file:
        for line in lines:
            size += file.write(line + b"\n")
    return size


def opened(path: Path) -> Any:
    if path.suffix == ".gz":
        return gzip.open(path, "wb", compresslevel=6)
    if path.suffix == ".zst":
        from backports import zstd

        return zstd.open(path, "wb")
    return path.open("wb")


async def identities(settings: Settings) -> int:
    """Count distinct identities in the topic."""
    there = set()
    for partition in range(settings.partitions):
        async for record in held(settings, "agent.events", partition):
            event = orjson.loads(record.value or b"")
            there.add((event["session"], event["epoch"], event["seq"]))
    return len(there)


def run(settings: Settings, path: Path, *more: str) -> dict[str, Any]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")} | {
        "HEADRACE_KAFKA": settings.need_kafka().bootstrap_servers,
        "HEADRACE_TOPIC_PREFIX": settings.topic_prefix,
        "HEADRACE_STATE_DIR": str(settings.state_dir),
    }
    command = [sys.executable, "-m", "headrace.cli.main", "backfill", str(path), "--json", *more]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    out = subprocess.run(command, env=environ, check=True, stdout=subprocess.PIPE).stdout
    seconds = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tally = json.loads(out)
    return {
        "sent": tally["sent"],
        "bad": tally["bad"],
        "seconds": round(seconds, 2),
        "lines_per_second": round(tally["lines"] / seconds),
        "cpu_seconds": round(cpu, 2),
        "lines_per_cpu_second": round(tally["lines"] / cpu),
        "peak_rss_mb": after.ru_maxrss >> 10,
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=("seed", "export"), default="seed")
    parser.add_argument("--packed", choices=("", "gz", "zst"), default="")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--no-count", action="store_true", help="Do not read the topic back.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        empty = Settings(state_dir=folder, partitions=given.partitions)
        async with topics(empty) as (settings, _):
            path = folder / ("events.jsonl" + ("." + given.packed if given.packed else ""))
            size = await asyncio.to_thread(write, path, given.kind, given.lines)
            print(f"{given.lines:,} lines of {size / given.lines:.0f} bytes", flush=True)
            result: dict[str, Any] = {"yardstick_seconds": round(yardstick(), 3)}
            result["first"] = await asyncio.to_thread(run, settings, path)
            result["again"] = await asyncio.to_thread(run, settings, path)
            if not given.no_count:
                result["identities"] = await identities(settings)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    asyncio.run(main())
