"""Count a full topic into panes: headrace, plain Faust and Quix Streams, one core each, in turn.

    python benchmarks/metrics.py [--kafka] [--rounds 3] [--events 2000000] [--json FILE]

In each round a broker is started and ``agent.events`` filled with a realistic mix. Then each
contender, with one processor to itself, counts that topic: headrace's worker all of it, the others
(metrics_faust.py, metrics_quix.py, which say what they are spared) as many of its events as fit in
some ten seconds. Each is timed from its first event to its last, and its sums must equal those of
the events that it read. ``--kafka``: a real Apache Kafka in place of the embedded one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from full_topic import encoded, fill
from metrics_expected import PARTITIONS, Expected
from metrics_run import CONTENDERS, Result, contender, headrace
from one_worker import broker, yardstick

from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings
from headrace.streams import topic_admin

RATE = 120_000
"""Events in a second of their own time: as many panes as such a stream would have."""
HEADRACE = "headrace"


async def one_round(given: argparse.Namespace) -> dict[str, Result]:
    """By contender."""
    core = max(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        async with broker(folder, real=given.kafka) as (address, _):
            settings = Settings(
                state_dir=folder,
                kafka=KafkaSettings(address),
                clickhouse=ClickHouseSettings("http://127.0.0.1:9/headrace"),
                topic_prefix=f"bench-{secrets.token_hex(4)}.",
                partitions=PARTITIONS,
            )
            await topic_admin.apply(settings)
            expected = Expected(max(events for _, events in CONTENDERS.values()))
            events = expected.passing(encoded(given.events, float(int(time.time())), RATE))
            await fill(address, settings.topic("agent.events"), PARTITIONS, events)
            first = await asyncio.to_thread(headrace, settings, given.events, core, expected)
            results = {HEADRACE: first}
            for other in CONTENDERS:
                results[other] = await asyncio.to_thread(contender, other, settings, core, expected)
            return results


def summary(rounds: list[dict[str, Result]]) -> dict[str, dict[str, Any]]:
    """Return each contender's figures, one a round. Ratios are headrace's gain, of that round."""
    return {
        name: {
            "events": rounds[0][name].events,
            "sums": rounds[0][name].sums,
            "events/s": [round(one[name].rate) for one in rounds],
            "CPU us/event": [round(one[name].cpu_us, 1) for one in rounds],
            "x faster": [round(one[HEADRACE].rate / one[name].rate, 1) for one in rounds],
            "x cheaper": [round(one[name].cpu_us / one[HEADRACE].cpu_us, 1) for one in rounds],
        }
        for name in rounds[0]
    }


def show(result: dict[str, dict[str, Any]]) -> None:
    for name, line in result.items():
        print(f"{name}: {line['events']:,} events, {line['sums']} sums, all as expected")
        for what in ("events/s", "CPU us/event", "x faster", "x cheaper"):
            print(f"  {what:14}{median(line[what]):>10,}  of {', '.join(map(str, line[what]))}")


async def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kafka", action="store_true", help="a real Apache Kafka")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--events", type=int, default=2_000_000, help="in the topic")
    parser.add_argument("--json", type=Path, help="also write the result here")
    given = parser.parse_args()
    rounds = []
    for number in range(given.rounds):
        print(f"round {number + 1}; yardstick {yardstick():.3f} s", flush=True)
        rounds.append(await one_round(given))
    result = summary(rounds)
    show(result)
    if given.json:
        given.json.write_text(json.dumps(result))


if __name__ == "__main__":
    asyncio.run(main())
