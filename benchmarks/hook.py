"""What a call of the hook costs the agent's thread, beside what else could be called there.

    python benchmarks/hook.py [--events 60000] [--rounds 5] [--json FILE]

Side by side in one run, in turns, each contender in a process of its own, over the same recorded
events of real agents: the seed's ``EventArchiver`` (json.dumps, write, flush), the stdlib's
``QueueHandler``, OpenTelemetry's ``BatchSpanProcessor``, the Langfuse SDK, and headrace's hook with
its spool and with memory; the last two with a broker that takes everything and with none at all.
``bare`` is the least that a spool can cost: one orjson.dumps and one write, and nothing else.
``spool_thread`` ships from a thread of the agent's process instead of a process beside it: why
headrace does not.

Every call is timed by itself (``perf_counter_ns``; the cost of timing, about 0.1 us, is in every
figure), once the threads and processes of a contender have started. ``flat out`` calls without a
pause; ``paced`` at 2,000 events a second. Figures are the median over the rounds; the ratios
compare within one round, so that a machine whose speed drifts does not decide.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent))

from realistic import Event, sample

CONTENDERS = (
    "archiver",
    "bare",
    "queue_handler",
    "otel",
    "langfuse",
    "spool",
    "spool_down",
    "spool_thread",
    "memory",
    "memory_down",
)
NOBODY = "127.0.0.1:9"
SETTLE = 3.0
"""Seconds after the first events, for what a contender starts once."""
Call = Callable[[Event], object]


# ── the contenders ───────────────────────────────────────────────────────────


class _Type:
    """A type as agentao's: with a ``value``."""

    def __init__(self, value: str) -> None:
        self.value = value


class EventArchiver:
    """The seed's, to the letter of its behaviour."""

    def __init__(self, path: Path, session_id: str, tenant_id: str) -> None:
        self.f = path.open("a", encoding="utf-8")
        self.session_id = session_id
        self.tenant_id = tenant_id

    def __call__(self, ev: Any) -> None:
        self.f.write(
            json.dumps(
                {
                    "ts": time.time(),
                    "session": self.session_id,
                    "tenant": self.tenant_id,
                    "type": ev.type.value,
                    "data": ev.data,
                }
            )
            + "\n"
        )
        self.f.flush()


@contextlib.contextmanager
def archiver(folder: Path, _kafka: str) -> Iterator[Call]:
    made = EventArchiver(folder / "events.jsonl", "s-1", "acme")
    yield made
    made.f.close()


@contextlib.contextmanager
def bare(folder: Path, _kafka: str) -> Iterator[Call]:
    """Nothing but to encode the data and to write it: no envelope, no number, no bound, no care."""
    from orjson import dumps

    fd = os.open(folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield lambda ev: os.write(fd, dumps(ev.data))
    os.close(fd)


@contextlib.contextmanager
def queue_handler(folder: Path, _kafka: str) -> Iterator[Call]:
    import logging
    import logging.handlers
    import queue

    waiting: queue.Queue[Any] = queue.Queue(-1)
    out = logging.FileHandler(folder / "events.log")
    out.setFormatter(logging.Formatter("%(created)f %(message)s %(event_data)s"))
    listener = logging.handlers.QueueListener(waiting, out)
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(logging.handlers.QueueHandler(waiting))
    listener.start()

    def call(ev: Any) -> None:
        logger.info(
            "agent_event",
            extra={"event_type": ev.type.value, "session_id": "s-1", "event_data": ev.data},
        )

    yield call
    listener.stop()


@contextlib.contextmanager
def otel(folder: Path, _kafka: str) -> Iterator[Call]:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    class ToFile(SpanExporter):
        """As an OTLP exporter's work without the network: serialise, write."""

        def __init__(self) -> None:
            self.f = (folder / "spans.json").open("w")

        def export(self, spans: Any) -> SpanExportResult:
            for span in spans:
                self.f.write(span.to_json(indent=None))
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(ToFile()))
    tracer = provider.get_tracer("bench")

    def call(ev: Any) -> None:
        span = tracer.start_span(ev.type.value)
        span.set_attribute("session.id", "s-1")
        for key, value in ev.data.items():
            span.set_attribute(key, value if isinstance(value, (str, int)) else json.dumps(value))
        span.end()

    yield call
    provider.shutdown()


@contextlib.contextmanager
def langfuse(_folder: Path, _kafka: str) -> Iterator[Call]:
    import logging

    from langfuse import Langfuse

    logging.disable(logging.CRITICAL)
    client = Langfuse(
        public_key="pk-bench", secret_key="sk-bench", host="http://127.0.0.1:9", timeout=1
    )

    def call(ev: Any) -> None:
        client.create_event(name=ev.type.value, input=ev.data, metadata={"session": "s-1"})

    yield call


@contextlib.contextmanager
def headrace(folder: Path, kafka: str, durability: str, shipper: Any) -> Iterator[Call]:
    from headrace.producers import EventProducer

    producer = EventProducer(
        kafka, tenant="acme", spool_dir=folder / "spool", durability=durability, shipper=shipper,
        spool_max_bytes=4 << 30, memory_max_bytes=1 << 30,
    )  # fmt: skip
    yield producer.hook(session="s-1", user="u-1")
    producer.close(timeout=0.5)


def contender(name: str, folder: Path, kafka: str) -> contextlib.AbstractContextManager[Call]:
    plain = {
        "archiver": archiver,
        "bare": bare,
        "queue_handler": queue_handler,
        "otel": otel,
        "langfuse": langfuse,
    }
    if name in plain:
        return plain[name](folder, kafka)
    durability, _, way = name.partition("_")
    shipper = "thread" if way == "thread" else None
    return headrace(folder, NOBODY if way == "down" else kafka, durability, shipper)


# ── one contender, in a process of its own ───────────────────────────────────


def events(count: int) -> list[Any]:
    types: dict[str, _Type] = {}
    recorded = sample()
    return [
        Event(cast("str", types.setdefault(e.type, _Type(e.type))), e.data)
        for e in (recorded[i % len(recorded)] for i in range(count))
    ]


def timed(call: Call, some: list[Any], pause_ns: int) -> list[int]:
    clock = time.perf_counter_ns
    costs = []
    due = clock()
    for event in some:
        if pause_ns:
            due += pause_ns
            while (left := due - clock()) > 0:
                time.sleep(left / 1e9)
        before = clock()
        call(event)
        costs.append(clock() - before)
    return costs


def measure(name: str, kafka: str, count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, contender(name, Path(folder), kafka) as call:
        some = events(count)
        timed(call, some[:2000], 0)  # warm
        time.sleep(SETTLE)
        timed(call, some[:200], 0)
        flat = timed(call, some, 0)
        paced = timed(call, some[:6000], 500_000)
        eight = in_threads(call, some)
    return {
        "p50": _at(flat, 0.5),
        "p99": _at(flat, 0.99),
        "p99.9": _at(flat, 0.999),
        "paced p50": _at(paced, 0.5),
        "paced p99.9": _at(paced, 0.999),
        "8 threads p50": _at(eight, 0.5),
        "8 threads p99": _at(eight, 0.99),
        "8 threads mean": statistics.fmean(eight) / 1000,
        "mean": statistics.fmean(flat) / 1000,
    }


def in_threads(call: Call, some: list[Any]) -> list[int]:
    """Eight tool threads at once, as agentao runs them."""
    costs: list[list[int]] = [[] for _ in range(8)]
    gate = threading.Barrier(8)

    def run(mine: list[int]) -> None:
        gate.wait()
        mine += timed(call, some[: len(some) // 8], 0)

    threads = [threading.Thread(target=run, args=(mine,)) for mine in costs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [cost for mine in costs for cost in mine]


def _at(costs: list[int], quantile: float) -> float:
    """Return the quantile in microseconds."""
    return sorted(costs)[min(len(costs) - 1, int(len(costs) * quantile))] / 1000


# ── the run ──────────────────────────────────────────────────────────────────


async def with_broker(arguments: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    from headrace.local.kafka import EmbeddedKafka

    with tempfile.TemporaryDirectory() as folder:
        broker = EmbeddedKafka(Path(folder))
        address = await broker.start()
        # It stands in for a broker on another machine, which takes no processor from the agent.
        if broker.child is not None and hasattr(os, "SCHED_BATCH"):
            os.sched_setscheduler(broker.child.pid, os.SCHED_BATCH, os.sched_param(0))
        try:
            admin = AIOKafkaAdminClient(bootstrap_servers=address)
            await admin.start()
            await admin.create_topics([NewTopic("agent.events", 4, 1)])
            await admin.close()
            return await asyncio.to_thread(rounds, arguments, address)
        finally:
            await broker.stop()


def rounds(arguments: argparse.Namespace, kafka: str) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.contenders}
    for number in range(arguments.rounds):
        for name in arguments.contenders:
            print(f"\rround {number + 1}: {name:20}", end="", file=sys.stderr, flush=True)
            command = [sys.executable, __file__, "--one", name, "--kafka", kafka]
            done = subprocess.run(
                [*command, "--events", str(arguments.events)],
                check=True,
                stdout=subprocess.PIPE,
                timeout=600,
            )
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    columns = list(next(iter(found.values()))[0])
    lines = [
        "us a call, median of the rounds (x: times the archiver's in the same round)",
        f"{'':16}" + "".join(f"{column:>18}" for column in columns),
    ]
    for name, runs in found.items():
        cells = []
        for column in columns:
            value = statistics.median(run[column] for run in runs)
            ratio = statistics.median(
                run[column] / base[column]
                for run, base in zip(runs, found["archiver"], strict=True)
            )
            cells.append(f"{value:9.2f} {ratio:5.2f} x")
        lines.append(f"{name:16}" + "".join(f"{cell:>18}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS))
    parser.add_argument("--json", type=Path, help="also write every round's figures here")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--kafka", default=NOBODY, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one, arguments.kafka, arguments.events)), flush=True)
        os._exit(0)  # the Langfuse SDK would wait for a server that is not there
    found = asyncio.run(with_broker(arguments))
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
