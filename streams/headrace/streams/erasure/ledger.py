"""The ledger of what was erased: numbers and marks, so that the accounting still adds up.

Its rows are sets of a value: writing one again changes nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from headrace.events import types
from headrace.streams.erasure.order import Order
from headrace.streams.erasure.owner import Owner
from headrace.streams.heads import data_of

_REASON: Final = re.compile(r"[a-z_]{1,40}").fullmatch
"""What a reason for a drop looks like. Anything else could be a word about the person."""


@dataclass(slots=True)
class Lines:
    """Lines for the two ledgers, as JSON."""

    erased: list[bytes] = field(default_factory=list)
    dropped: list[bytes] = field(default_factory=list)


def lines_of(found: Iterable[tuple[Order, Owner, bytes]]) -> Lines:
    """Make the ledgers' lines of events that orders cover. What has no number leaves none."""
    lines = Lines()
    numbers: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    orders: dict[tuple[str, str, str], tuple[Order, float]] = {}
    for order, owner, value in found:
        if owner.seq < 1:
            continue
        session = order.mark("session", owner.session)
        key = (owner.tenant, session, owner.epoch)
        numbers[key].append(owner.seq)
        orders[key] = order, max(owner.ts, orders.get(key, (order, 0.0))[1])
        if owner.type == types.EPOCH_END:
            dropped = counts(data_of(value).get("dropped"))
            lines.erased.append(
                erased(order, session, owner.epoch, (owner.seq, owner.seq), owner.ts,
                       end=owner.seq, dropped=dropped)
            )  # fmt: skip
        elif owner.type == types.DROPPED:
            lines.dropped.append(_told(session, owner, data_of(value)))
    for (_, session, epoch), seqs in numbers.items():
        order, ts = orders[_, session, epoch]
        lines.erased += [erased(order, session, epoch, span, ts) for span in spans(seqs)]
    return lines


def telling(owner: Owner, value: bytes) -> bytes:
    """Return what :func:`lines_of` needs of a value; of most nothing: they may be gigabytes."""
    return value if owner.type in {types.EPOCH_END, types.DROPPED} else b""


def erased(
    order: Order,
    session: str,
    epoch: str,
    span: tuple[int, int],
    ts: float,
    *,
    end: int = 0,
    dropped: dict[str, int] | None = None,
) -> bytes:
    """Make one line: these numbers of an epoch were erased. ``session``: its mark."""
    return orjson.dumps(
        {
            "tenant": order.tenant,
            "session": session,
            "salt": order.salt.hex(),
            "epoch": epoch,
            "first_seq": span[0],
            "last_seq": span[1],
            "end_seq": end,
            "dropped": dropped or {},
            "last_ts": ts,
            "request": order.request,
        }
    )


def spans(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield numbers as ``(first, last)``, ascending."""
    first = last = 0
    for number in sorted(set(numbers)):
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield first, last
        first = last = number
    if first:
        yield first, last


def _told(session: str, owner: Owner, data: dict[str, Any]) -> bytes:
    numbers = {name: _whole(data.get(name)) for name in ("first_seq", "last_seq", "count")}
    reason = data.get("reason")
    return orjson.dumps(
        {
            "tenant": owner.tenant,
            "session": session,
            "epoch": owner.epoch,
            "seq": owner.seq,
            "reason": reason if isinstance(reason, str) and _REASON(reason) else "other",
            **numbers,
            "ts": owner.ts,
        }
    )


def counts(given: Any) -> dict[str, int]:
    """Return what an end marker says was dropped, by reason: numbers, and no word of anybody."""
    if not isinstance(given, dict):
        return {}
    return {name: _whole(count) for name, count in given.items() if _REASON(name)}


def _whole(value: Any) -> int:
    """Return a number that ClickHouse takes: a refused line would end the archive's worker."""
    known = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
    return value if known else 0
