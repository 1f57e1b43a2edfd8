"""From ``on_event`` to a SELECT that sees it: p50 and p99 at a steady rate.

    python benchmarks/latency.py [--rate 1000] [--seconds 20] [--kafka] [--json FILE]

An agent process calls the hook at the rate and remembers when; a reader asks the view for what is
new, again and again. An event's latency ends when the answer that holds it has arrived, so it holds
the reader's own wait. The first seconds (imports, first connections) are not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from chain import Chain, arguments, run
from realistic import Event, mix

from headrace.producers import EventProducer
from headrace.sinks.connection import connect

WARM_UP_S = 3.0
LATE_S = 60.0
"""What is not seen so long after the last call is lost."""
NEW = (
    "SELECT JSONExtractUInt(data, 'bench_n') FROM headrace.events"
    " WHERE tenant = 'bench' AND ingested_at > now64(3) - INTERVAL 5 SECOND"
    " AND type != 'headrace.epoch_end'"
)


def produce(rate: int, seconds: float, spool: str, kafka: str) -> None:
    """The agent. Prints when it made each call, as one JSON line."""
    count = int(rate * (seconds + WARM_UP_S))
    events = [
        (session, Event(event.type, {**event.data, "bench_n": number}))
        for number, (session, event) in enumerate(mix(count))
    ]
    called: list[float] = []
    with EventProducer(kafka, tenant="bench", spool_dir=spool) as producer:
        hooks = {session: producer.hook(session=session) for session, _ in events}
        began = time.time()
        for number, (session, event) in enumerate(events):
            pause = began + number / rate - time.time()
            if pause > 0:
                time.sleep(pause)
            called.append(time.time())
            hooks[session](event)
        producer.close(timeout=LATE_S)
    print(json.dumps(called), flush=True)


def measure(running: Chain, rate: int, seconds: float, directory: Path) -> dict[str, Any]:
    kafka = running.settings.need_kafka().bootstrap_servers
    command = [sys.executable, __file__, "--produce", str(rate), str(seconds)]
    command += [str(directory / "spool"), kafka]
    answer = directory / "called.json"
    with answer.open("w") as out:
        agent = subprocess.Popen(command, stdout=out)
        seen, polls = read(running, agent, int(rate * (seconds + WARM_UP_S)))
    called: list[float] = json.loads(answer.read_text())
    counted = range(int(rate * WARM_UP_S), len(called))
    late = sorted(seen[number] - called[number] for number in counted if number in seen)

    def percentile(share: float) -> float:
        return round(late[min(len(late) - 1, int(share * len(late)))] * 1000, 1)

    return {
        "events_per_second": round(len(called) / (called[-1] - called[0])),
        "events": len(counted),
        "seen": len(late),
        "p50_ms": percentile(0.5),
        "p90_ms": percentile(0.9),
        "p99_ms": percentile(0.99),
        "max_ms": percentile(1.0),
        "polls_per_second": round(polls / (seconds + WARM_UP_S)),
    }


def read(
    running: Chain, agent: subprocess.Popen[bytes], count: int
) -> tuple[dict[int, float], int]:
    """Poll until every event was seen; return when each was, and how often was asked."""
    client = connect(running.settings.need_clickhouse())
    seen: dict[int, float] = {}
    polls, give_up = 0, None
    try:
        while len(seen) < count:
            (numbers,) = client.query(NEW).result_columns or ([],)
            now = time.time()
            polls += 1
            for number in numbers:
                seen.setdefault(number, now)
            if give_up is None and agent.poll() is not None:
                give_up = time.monotonic() + LATE_S
            if give_up is not None and time.monotonic() > give_up:
                break
    finally:
        client.close()
        agent.wait(LATE_S)
    return seen, polls


def main() -> int:
    if sys.argv[1:2] == ["--produce"]:
        produce(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5])
        return 0
    parser = arguments(__doc__)
    parser.add_argument("--rate", type=int, default=1000, help="events a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    given = parser.parse_args()
    result = run(
        given, lambda running, directory: measure(running, given.rate, given.seconds, directory)
    )
    return 0 if result["seen"] == result["events"] else 1


if __name__ == "__main__":
    sys.exit(main())
