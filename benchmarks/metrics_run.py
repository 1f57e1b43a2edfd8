"""One run of one contender of the metrics benchmark, on one processor, with its sums checked."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from metrics_expected import Expected, check
from one_core import Result, lone_worker, timed
from one_worker import on_one_core, total

from headrace.events.settings import Settings

WITHIN_S = 180.0
"""For a contender to start, join its group and count its events on a busy machine."""
CONTENDERS = {
    "plain Faust": ("metrics_faust.py", 50_000),
    "Quix Streams": ("metrics_quix.py", 300_000),
}
"""Program, and events: enough for ten seconds, and so for two of Quix's checkpoints."""
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


def headrace(settings: Settings, count: int, expected: Expected) -> Result:
    with lone_worker(settings, "metrics") as running:
        result = timed(running, SHOWN["events"], count, count)
        sums = {name: round(total(running[1], series)) for name, series in SHOWN.items()}
    check("headrace", dict(expected.totals), sums)
    return replace(result, found=len(sums))


def contender(name: str, settings: Settings, expected: Expected) -> Result:
    program, events = CONTENDERS[name]
    folder = settings.state_dir / program
    folder.mkdir()
    command = [sys.executable, str(Path(__file__).with_name(program))]
    command += [settings.need_kafka().bootstrap_servers, settings.topic("agent.events")]
    command += [str(events), str(folder)]
    with on_one_core():
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
