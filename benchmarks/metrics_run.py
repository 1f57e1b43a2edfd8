"""One run of one contender of the metrics benchmark, on one processor, with its sums checked."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
from metrics_expected import Expected, check
from one_worker import on_core, worker

from headrace.events.settings import Settings

WITHIN_S = 180.0
"""For a contender to start, join its group and count its events on a busy machine."""
CONTENDERS = {
    "plain Faust": ("metrics_faust.py", 50_000),
    "Quix Streams": ("metrics_quix.py", 300_000),
}
"""Program, and events: enough for ten seconds, and so for two of Quix's checkpoints."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one contender did in one round."""

    events: int
    seconds: float
    cpu_seconds: float
    sums: int
    """How many were compared."""

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_us(self) -> float:
        return self.cpu_seconds / self.events * 1e6


SHOWN = {
    "events": "agent_events_total",
    "turns": "agent_turn_count_total",
    "turn_ms": "agent_turn_duration_ms_count",
    "max_iterations": "agent_max_iterations_hits_total",
    "tool_calls": "agent_tool_calls_total",
    "tool_ms": "agent_tool_duration_ms_count",
    "tool_failures": "agent_tool_failures_total",
    "tokens": r"agent_llm_tokens_(?:prompt|completion|cached)_total",
    "llm_errors": "agent_llm_errors_total",
    "confirmations": "agent_confirm_requests_total",
}
"""The worker's series, as patterns. It shows totals over all windows and tenants."""


def shown(port: int, names: tuple[str, ...] = ("events",)) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        name: sum(map(float, re.findall(rf"^{SHOWN[name]}\{{.*\}} (\S+)$", text, re.MULTILINE)))
        for name in names
    }


def headrace(settings: Settings, count: int, core: int, expected: Expected) -> Result:
    with contextlib.ExitStack() as stack:
        with on_core(core):
            pid, port = stack.enter_context(worker(settings, ["--session-timeout", "6"], "metrics"))
        process = psutil.Process(pid)
        began = first = used = 0.0
        while (now := shown(port)["events"]) < count:
            if now and not began:
                began, first, used = time.monotonic(), now, sum(process.cpu_times()[:2])
            time.sleep(0.5)  # every question costs the worker some milliseconds
        if not began:
            raise SystemExit("too few events to time headrace")
        seconds, cpu = time.monotonic() - began, sum(process.cpu_times()[:2]) - used
        found = shown(port, tuple(SHOWN))
    sums = {name: round(value) for name, value in found.items()}
    check("headrace", dict(expected.totals), sums)
    return Result(count - round(first), seconds, cpu, len(sums))


def contender(name: str, settings: Settings, core: int, expected: Expected) -> Result:
    program, events = CONTENDERS[name]
    folder = settings.state_dir / program
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name(program))]
    command += [settings.need_kafka().bootstrap_servers, settings.topic("agent.events")]
    command += [str(events), str(folder)]
    with on_core(core):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        out, _ = process.communicate(timeout=WITHIN_S)
    finally:
        process.kill()
    if process.returncode:
        raise SystemExit(f"{name} ended with {process.returncode}")
    said = json.loads(out.splitlines()[-1])
    check(name, expected.up_to(said["offsets"]), said["sums"])
    return Result(said["events"], said["seconds"], said["cpu_seconds"], len(said["sums"]))
