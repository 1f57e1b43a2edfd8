"""What a topic adds up to, and whether a contender of the metrics benchmark found the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
from full_topic import partition_of
from metrics_sums import Models, Sums, add, additions, window
from one_core import PARTITIONS


class Expected:
    """What the events of a topic add up to, in all and up to given offsets."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._first: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self._models = Models()
        self.totals: Counter[str] = Counter()
        """By metric, over everything; of durations their count, of tokens all of them."""

    def passing(self, events: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for key, value in events:
            first = self._first[partition_of(key, PARTITIONS)]
            if len(first) < self._kept:
                first.append(value)
            for metric, amount in additions(orjson.loads(value), self._models):
                name = metric.split("|", 1)[0]
                self.totals[name] += _whole(name, amount)
            yield key, value

    def up_to(self, offsets: dict[str, int]) -> Sums:
        sums: Sums = {}
        models = Models()
        for partition, end in offsets.items():
            for value in self._first[int(partition)][:end]:
                event = orjson.loads(value)
                for metric, amount in additions(event, models):
                    add(sums, f"{window(event)}|{metric}", amount)
        return sums


def _whole(name: str, amount: Any) -> int:
    if name.endswith("_ms"):
        return int(amount[0])
    return sum(amount) if name == "tokens" else int(amount)


def check(name: str, expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Exit where a sum is missing, too much, or another."""
    wrong = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
    if wrong:
        told = {key: (expected.get(key), found.get(key)) for key in sorted(wrong)[:5]}
        raise SystemExit(f"{name} counted wrongly, {len(wrong)} sums: (expected, found) {told}")
