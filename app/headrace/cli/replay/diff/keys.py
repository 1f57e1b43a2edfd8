"""What of an entry is compared. Times, tokens and ids are not: no two runs have the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from headrace.cli.replay.diff.align import Key
from headrace.cli.replay.entries import Data, Entry, call_id
from headrace.cli.replay.sums import CALL_COMPLETED, TOOL_COMPLETE
from headrace.events import types

ENDS_OF_TOOLS: Final = frozenset({TOOL_COMPLETE, "tool_result"})


@dataclass(frozen=True, slots=True)
class Compared:
    """An entry's key, and what came of it."""

    key: Key
    result: str


_TOOLS: Final = frozenset({"tool_start", *ENDS_OF_TOOLS})

_RESULTS: Final[dict[str, tuple[str, ...]]] = {
    TOOL_COMPLETE: ("status", "error"),
    CALL_COMPLETED: ("status", "error_class", "finish_reason"),
    types.TURN_END: ("status", "incomplete_reason"),
    types.CONFIRMATION_RESOLVED: ("outcome", "answered_by"),
    types.PERMISSION_DECISION: ("decision", "reason"),
    types.SESSION_START: ("agent", "model", "permission_mode"),
    types.SESSION_END: ("reason",),
    types.EPOCH_END: ("reason",),
    types.DROPPED: ("reason",),
    "llm_retry": ("retry", "reason"),
    "agent_end": ("state",),
    types.AGENT_USAGE: (),
}
"""By type, the facts that say what came of it. Its headline and body say more than is compared."""


def compared(entries: Iterable[Entry]) -> list[Compared]:
    """Return what is compared of each entry."""
    arguments: dict[str, str] = {}
    return [_compared(entry, arguments) for entry in entries]


def _compared(entry: Entry, arguments: dict[str, str]) -> Compared:
    facts = entry.facts
    kind: tuple[Any, ...] = (entry.kind, entry.type, entry.depth, _name(facts))
    whole: Any = None
    result = _canonical([facts.get(name) for name in _RESULTS.get(entry.type, ())])
    if entry.type in _TOOLS:
        if entry.type == "tool_start":
            arguments[call_id(facts)] = _canonical(facts.get("args"))
        whole = arguments.get(call_id(facts))
        result += (entry.body or "") if entry.type in ENDS_OF_TOOLS else ""
    elif entry.type == CALL_COMPLETED:
        whole = _canonical(facts.get("model"))
    elif entry.kind == "lost" and not entry.type:
        result = _canonical(entry.body)
    elif entry.type not in _RESULTS:
        # What is told of nothing that we know is compared as it reads.
        whole = (entry.headline, entry.body)
    return Compared(Key(kind, whole), result)


def _name(facts: Data) -> str:
    return _canonical([facts.get("tool"), facts.get("agent")])


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
