"""Events through the whole chain: hook, spool, shipper, Kafka, archive, ClickHouse.

    python benchmarks/pipeline.py [--events 2000000] [--kafka] [--json FILE]

One agent process calls the hook as fast as it can while everything else works on the same machine.
Checks that accepted = delivered = distinct identities = rows in the view, and `headrace verify`.
``--kafka``: a real Apache Kafka in place of the embedded one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from chain import Chain, Peaks, arguments, run
from realistic import mix

from headrace.local.stack import variables_of
from headrace.producers import EventProducer
from headrace.sinks.connection import connect

PREPARED = 10_000
"""Events made ahead of each timed stretch, so that making them is not timed."""
WITHIN_S = 1800.0


def produce(count: int, spool: str, kafka: str) -> None:
    """The agent: calls the hook, then waits until Kafka has everything. Prints a JSON line."""
    producer = EventProducer(
        kafka, tenant="bench", spool_dir=spool, spool_max_bytes=8 << 30, max_sessions=100_000
    )
    events, hooks, in_hook = mix(count), {}, 0.0
    began = time.time()
    while stretch := list(islice(events, PREPARED)):
        for session, _ in stretch:
            if session not in hooks:
                hooks[session] = producer.hook(session=session, user="u")
        calls = [(hooks[session], event) for session, event in stretch]
        start = time.perf_counter()
        for hook, event in calls:
            hook(event)
        in_hook += time.perf_counter() - start
    accepted_at = time.time()
    report = producer.close(timeout=WITHIN_S)
    result = {
        "began": began,
        "in_hook": in_hook,
        "accepted_at": accepted_at,
        "delivered_at": time.time(),
        "accepted": report.accepted,
        "delivered": report.delivered,
        "spooled": report.spooled,
        "dropped": report.dropped,
    }
    print(json.dumps(result), flush=True)


def measure(running: Chain, count: int, directory: Path) -> dict[str, Any]:
    """Run the agent, wait for the last row, and check that everything adds up."""
    kafka = running.settings.need_kafka().bootstrap_servers
    spool = directory / "spool"
    with Peaks(dict(running.pids)) as peaks:
        command = [sys.executable, __file__, "--produce", str(count), str(spool), kafka]
        agent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        peaks.follow(agent, "agent", "shipper")
        out, _ = agent.communicate(timeout=WITHIN_S)
        if agent.returncode != 0:
            raise SystemExit(f"the agent ended with {agent.returncode}")
        agent_says = json.loads(out)
        archived_at = wait_for_rows(running, agent_says["accepted"])
        rows = one_row(
            running,
            "SELECT (SELECT count() FROM headrace.events),"
            " (SELECT uniqExact(tenant, session, epoch, seq) FROM headrace.events_raw)",
        )
    verify = subprocess.run(
        [sys.executable, "-m", "headrace.cli.main", "verify", "--json"],
        env={**os.environ, **variables_of(running.settings)} | {"HEADRACE_SPOOL_DIR": str(spool)},
        capture_output=True,
        text=True,
        check=False,
    )
    began = agent_says["began"]
    accepted = agent_says["accepted"]
    return {
        "events": count,
        "accepted": accepted,
        "delivered": agent_says["delivered"],
        "dropped": agent_says["dropped"],
        "rows_in_view": rows[0],
        "distinct_identities": rows[1],
        "verify_exit": verify.returncode,
        "verify": _verdict(verify),
        "events_per_second": {
            "hook (time in the calls)": round(accepted / agent_says["in_hook"]),
            "agent (with making the events)": round(accepted / (agent_says["accepted_at"] - began)),
            "to Kafka (first call to last ack)": round(
                accepted / (agent_says["delivered_at"] - began)
            ),
            "to SQL (first call to last row)": round(accepted / (archived_at - began)),
        },
        "peak_mib": {name: round(kib / 1024) for name, kib in sorted(peaks.kib.items())},
    }


def _verdict(verify: subprocess.CompletedProcess[str]) -> Any:
    try:
        return json.loads(verify.stdout)
    except ValueError:
        return (verify.stdout + verify.stderr).strip().splitlines()[-1:]


def wait_for_rows(running: Chain, wanted: int) -> float:
    """Return when the archive had everything. Counts without merging: that is cheap to repeat."""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        if one_row(running, "SELECT count() FROM headrace.events_raw")[0] >= wanted:
            return time.time()
        time.sleep(0.1)
    raise SystemExit("the archive did not get everything in time")


def one_row(running: Chain, sql: str) -> list[int]:
    client = connect(running.settings.need_clickhouse())
    try:
        return [int(value) for value in client.query(sql).result_rows[0]]
    finally:
        client.close()


def adds_up(result: dict[str, Any]) -> bool:
    counts = {
        result[name] for name in ("accepted", "delivered", "rows_in_view", "distinct_identities")
    }
    return len(counts) == 1 and not result["dropped"] and result["verify_exit"] == 0


def main() -> int:
    if sys.argv[1:2] == ["--produce"]:
        produce(int(sys.argv[2]), sys.argv[3], sys.argv[4])
        return 0
    parser = arguments(__doc__)
    parser.add_argument("--events", type=int, default=2_000_000)
    given = parser.parse_args()
    result = run(given, lambda running, directory: measure(running, given.events, directory))
    ok = adds_up(result)
    print("everything adds up" if ok else "IT DOES NOT ADD UP")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
