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
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from full_topic import encoded
from metrics_expected import Expected
from metrics_run import CONTENDERS, contender, headrace
from one_core import Result, arguments, figures, filled, rounds, show, write

RATE = 120_000
"""Events in a second of their own time: as many panes as such a stream would have."""
HEADRACE = "headrace"


async def one_round(given: argparse.Namespace) -> dict[str, Result]:
    """By contender."""
    expected = Expected(max(events for _, events in CONTENDERS.values()))
    events = expected.passing(encoded(given.events, float(int(time.time())), RATE))
    async with filled(events, real=given.kafka) as settings:
        first = await asyncio.to_thread(headrace, settings, given.events, expected)
        results = {HEADRACE: first}
        for other in CONTENDERS:
            results[other] = await asyncio.to_thread(contender, other, settings, expected)
        return results


def summary(found: list[dict[str, Result]]) -> dict[str, dict[str, Any]]:
    """Return each contender's figures, one a round. Ratios are headrace's gain, of that round."""
    return {
        name: {
            "events": found[0][name].events,
            "sums": found[0][name].found,
            **figures([one[name] for one in found]),
            "x faster": [round(one[HEADRACE].rate / one[name].rate, 1) for one in found],
            "x cheaper": [round(one[name].cpu_us / one[HEADRACE].cpu_us, 1) for one in found],
        }
        for name in found[0]
    }


def main() -> None:
    given = arguments(__doc__, events="in the topic")
    result = summary(rounds(given, one_round))
    for name, line in result.items():
        print(f"{name}: {line['events']:,} events, {line['sums']} sums, all as expected")
        show({what: line[what] for what in ("events/s", "CPU us/event", "x faster", "x cheaper")})
    write(result, given.json)


if __name__ == "__main__":
    main()
