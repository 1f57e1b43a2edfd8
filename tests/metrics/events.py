"""Records of agent.events for tests, and the panes that they must give, counted the slow way."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.metrics.partition import Told


@dataclass
class Record:
    """What the transport hands out of aiokafka's records."""

    offset: int
    value: bytes | None
    timestamp: int = 1_764_000_000_000
    """Milliseconds since 1970."""


def event(
    seq: int,
    kind: str = "tool_complete",
    data: dict[str, Any] | None = None,
    *,
    tenant: str = "acme",
    session: str = "s",
    epoch: str = "0123456789abcdef",
    ts: float = 1_764_000_000.5,
    **envelope: Any,
) -> bytes:
    return json.dumps(
        {
            "v": 1,
            "tenant": tenant,
            "session": session,
            "epoch": epoch,
            "seq": seq,
            "ts": ts,
            "type": kind,
            "data": {} if data is None else data,
        }
        | envelope
    ).encode()


def records(values: Iterable[bytes | None]) -> list[Record]:
    return [Record(offset, value) for offset, value in enumerate(values)]


Sums = dict[tuple[str, str, tuple[str, ...], int], tuple[int, float]]


def merged(told: Iterable[Told]) -> Sums:
    """Merge as every reader does: the newest state of each generation, summed."""
    newest: dict[tuple[Any, ...], Told] = {}
    for one in told:
        key = (one.key, one.metric, one.labels)
        if key not in newest or newest[key].offset <= one.offset:
            newest[key] = one
    sums: Sums = defaultdict(lambda: (0, 0.0))
    for one in newest.values():
        series = (one.key.tenant, one.metric, one.labels, one.key.start)
        count, total = sums[series]
        sums[series] = (count + one.count, total + one.sum)
    return dict(sums)


def counted(values: Iterable[bytes], kind: str) -> dict[tuple[str, int], int]:
    """Count distinct events of a type by tenant and pane, from the bytes alone."""
    distinct = {
        (e["tenant"], e["session"], e["epoch"], e["seq"], int(e["ts"]) // PANE_SECONDS, e["type"])
        for e in map(json.loads, values)
    }
    found: dict[tuple[str, int], int] = defaultdict(int)
    for tenant, _, _, _, pane, type_ in distinct:
        if type_ == kind:
            found[tenant, pane * PANE_SECONDS] += 1
    return dict(found)
