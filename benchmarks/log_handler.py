"""What a log record costs the caller's thread, beside logging's own FileHandler.

    python benchmarks/log_handler.py [--records 40000] [--rounds 5] [--json FILE]

In turns in one run, each contender in a process of its own, over the same calls: formatted
messages with ids in ``extra``, one in two hundred with a traceback. ``nothing`` is a NullHandler:
what logging itself takes, which is in every figure. ``file`` is a FileHandler with time, level,
name and message; ``queue`` a QueueHandler before it. Of headrace with its spool, with the lines on
stdout as well (into /dev/null), and with memory; no broker is there, which makes no difference to
the call (`make bench-hook`). Figures are the median over the rounds; the ratios compare within one
round.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import logging.handlers
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CONTENDERS = ("nothing", "file", "queue", "spool", "spool_stdout", "memory")
NOBODY = "127.0.0.1:9"
SETTLE = 2.0
"""Seconds after the first records, for what a contender starts once."""
THREADS = 8


@contextlib.contextmanager
def contender(name: str, folder: Path) -> Iterator[logging.Handler]:
    if name == "nothing":
        yield logging.NullHandler()
        return
    if name in {"file", "queue"}:
        file = logging.FileHandler(folder / "agentao.log")
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        if name == "file":
            yield file
            return
        waiting: queue.Queue[Any] = queue.Queue(-1)
        listener = logging.handlers.QueueListener(waiting, file)
        listener.start()
        yield logging.handlers.QueueHandler(waiting)
        listener.stop()
        return
    from headrace.producers import EventProducer, LogHandler

    durability, _, printed = name.partition("_")
    with Path("/dev/null").open("w", encoding="utf-8") as out:
        producer = EventProducer(
            NOBODY, tenant="acme", spool_dir=folder / "spool", durability=durability,
            spool_max_bytes=4 << 30, memory_max_bytes=1 << 30,
        )  # fmt: skip
        with producer.bind("s-1", user="u-1"):
            yield LogHandler(producer, stdout=out if printed else False)
        producer.close(timeout=0.5)


def timed(log: logging.Logger, records: int) -> list[int]:
    """Log so many; how many nanoseconds each took."""
    clock = time.perf_counter_ns
    failed = ValueError("no such order")
    costs = []
    for number in range(records):
        extra = {"session_id": "s-1", "user_id": "u-1"}
        error = failed if number % 200 == 0 else None
        before = clock()
        log.info("tool %s took %d ms", "search_orders", number, exc_info=error, extra=extra)
        costs.append(clock() - before)
    return costs


def in_threads(log: logging.Logger, records: int) -> list[int]:
    costs: list[list[int]] = [[] for _ in range(THREADS)]
    gate = threading.Barrier(THREADS)

    def run(mine: list[int]) -> None:
        gate.wait()
        mine += timed(log, records // THREADS)

    threads = [threading.Thread(target=run, args=(mine,)) for mine in costs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [cost for mine in costs for cost in mine]


def measure(name: str, records: int) -> dict[str, float]:
    log = logging.getLogger("agentao.bench")
    log.setLevel(logging.INFO)
    log.propagate = False
    with tempfile.TemporaryDirectory() as folder, contender(name, Path(folder)) as handler:
        log.addHandler(handler)
        timed(log, 1000)
        time.sleep(SETTLE)
        flat, eight = timed(log, records), in_threads(log, records)
    return {
        "p50": _at(flat, 0.5),
        "p99": _at(flat, 0.99),
        "p99.9": _at(flat, 0.999),
        "8 threads p50": _at(eight, 0.5),
        "8 threads mean": statistics.fmean(eight) / 1000,
    }


def _at(costs: list[int], quantile: float) -> float:
    """Return the quantile in microseconds."""
    return sorted(costs)[min(len(costs) - 1, int(len(costs) * quantile))] / 1000


def rounds(count: int, records: int) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    for number in range(count):
        for name in CONTENDERS:
            print(f"\rround {number + 1}: {name:20}", end="", file=sys.stderr, flush=True)
            done = subprocess.run(
                [sys.executable, __file__, "--one", name, "--records", str(records)],
                check=True,
                stdout=subprocess.PIPE,
                timeout=600,
            )
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    columns = list(found["file"][0])
    lines = ["us a call, median of the rounds (x: times FileHandler's in the same round)"]
    lines.append(f"{'':14}" + "".join(f"{column:>20}" for column in columns))
    for name, measured in found.items():
        cells = []
        for column in columns:
            ratios = [
                one[column] / file[column]
                for one, file in zip(measured, found["file"], strict=True)
            ]
            middle = statistics.median(one[column] for one in measured)
            cells.append(f"{middle:10.2f} ({statistics.median(ratios):5.2f}x)")
        lines.append(f"{name:14}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.records)))
        return
    found = rounds(arguments.rounds, arguments.records)
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
