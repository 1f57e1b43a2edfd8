"""A partition of agent.events for tests, and the evidence that it must give, found the slow way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from headrace.events.envelope import decode
from headrace.events.errors import EnvelopeError
from headrace.sinks.audit.keys import DataKeys
from headrace.sinks.audit.leaf import EVENT, POLICY, opened
from headrace.streams.audit.fold import Entry
from headrace.streams.audit.policy import Policy, loads
from tests.audit.log import Record

POLICY_TEXT = """
[[class]]
name = "approval"
retention = "365 d"
erasable = true
purpose = "Who let a dangerous tool run"

[[class]]
name = "business"
retention = "7 y"
erasable = false
purpose = "How an agent changed business data"

[[rule]]
class = "approval"
types = ["confirmation_resolved"]

[[rule]]
class = "business"
types = ["tool_complete"]
tools = ["pay_*"]
"""
MORE = '\n[[rule]]\nclass = "approval"\ntypes = ["session_start"]\n'
POLICIES = (loads(POLICY_TEXT), loads(POLICY_TEXT + MORE))


def event(
    seq: int, session: str = "s", epoch: str = "0123456789abcdef", **changes: Any
) -> dict[str, Any]:
    """An event that its identity says all of, so that it is the same whenever it comes again."""
    kind, data = [
        ("llm_text", {"chunk": "x"}),
        ("confirmation_resolved", {"tool": "bash", "outcome": "allow"}),
        ("tool_complete", {"tool": "pay_invoice", "status": "ok"}),
        ("tool_complete", {"tool": "read_file", "status": "ok"}),
        ("session_start", {"agent": "main"}),
    ][seq % 5]
    return {
        "v": 1,
        "tenant": "acme",
        "session": session,
        **({"user": f"u-{session}"} if session != "s" else {}),
        "epoch": epoch,
        "seq": seq,
        "ts": 1_764_000_000 + seq / 100,
        "type": kind,
        "data": data,
        **changes,
    }


def line(seq: int, session: str = "s", **changes: Any) -> bytes:
    return json.dumps(event(seq, session, **changes)).encode()


def source(values: Iterable[bytes | None], *, gap: int = 0) -> list[Record]:
    """Records of a partition; every offset is followed by ``gap`` that hold none."""
    return [Record(number * (gap + 1), b"k", value) for number, value in enumerate(values)]


def expected(records: Sequence[Any], policies: Sequence[tuple[int, Policy]]) -> list[Any]:
    """The records that are evidence; ``policies`` with the offset that each judges from."""
    seen, found = set[tuple[str, str, str, int]](), []
    for record in records:
        try:
            one = decode(record.value)
        except (EnvelopeError, TypeError):
            continue
        if one.identity in seen:
            continue
        seen.add(one.identity)
        held = [policy for offset, policy in policies if offset <= record.offset]
        if held[-1].classify(one) is not None:
            found.append(record)
    return found


def agrees(entries: Sequence[Entry], records: Sequence[Any], keys: DataKeys) -> bool:
    """Whether a log holds the evidence of its partition: all of it, in order, once."""
    policies = policies_of(entries)
    if not records or not policies:
        return not records
    want = [(one.offset, one.value) for one in expected(records, policies)]
    return evidence(entries, keys) == want


def policies_of(entries: Iterable[Entry]) -> list[tuple[int, Policy]]:
    return [
        (one.head.offset, loads(one.head.text or "")) for one in entries if one.head.kind == POLICY
    ]


def evidence(entries: Iterable[Entry], keys: DataKeys) -> list[tuple[int, bytes]]:
    """Offset and plain content of each entry of an event."""
    return [
        (one.head.offset, opened(one.leaf, keys.by_id(one.head.key or "")))
        for one in entries
        if one.head.kind == EVENT
    ]
