"""The sums that each contender of the metrics benchmark keeps, counted in the plainest way.

A sum's key is ``tenant|start of its ten seconds|metric|label``. Its value is a number, or
``[prompt, completion, cached]`` for tokens, or for durations ``[count, sum, *buckets]``.
"""

from __future__ import annotations

import json
import os
import sys
import time
from bisect import bisect_left
from typing import Any

from headrace.events.metrics import PANE_SECONDS, TOOL_MS, TURN_MS

Sums = dict[str, Any]
"""By key, as above."""


def added(old: list[Any] | None, new: list[Any]) -> list[Any]:
    """Add tokens to tokens, durations to durations."""
    return new if old is None else [a + b for a, b in zip(old, new, strict=True)]


def duration(ms: float, bounds: tuple[float, ...]) -> list[Any]:
    """Make the durations that hold one."""
    buckets = [0] * (len(bounds) + 1)
    buckets[bisect_left(bounds, ms)] = 1
    return [1, ms, *buckets]


def tokens(data: dict[str, Any]) -> list[Any]:
    return [data["prompt_tokens"], data["completion_tokens"], data["cache_read_tokens"]]


class Models:
    """The model that each session called last: a completed call does not name its own."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def of(self, event: dict[str, Any]) -> str:
        """Take a call's start in; which model an event of a call is about."""
        if event["type"] == "llm_call_started":
            self._of[event["session"]] = event["data"]["model"]
        return self._of.get(event["session"], "")


def additions(event: dict[str, Any], models: Models) -> list[tuple[str, Any]]:
    """Return what an event adds: ``(metric|label, value)``."""
    kind, data = event["type"], event["data"]
    found: list[tuple[str, Any]] = [(f"events|{kind}", 1)]
    if kind == "turn_end":
        found.append((f"turns|{data['status']}", 1))
        found.append(("turn_ms|", duration(event["duration_ms"], TURN_MS)))
        if data["incomplete_reason"] == "max_iterations":
            found.append(("max_iterations|", 1))
    elif kind == "tool_complete":
        tool = data["tool"]
        found.append((f"tool_calls|{tool}|{data['status']}", 1))
        found.append((f"tool_ms|{tool}", duration(data["duration_ms"], TOOL_MS)))
        if data["status"] == "error":
            found.append((f"tool_failures|{tool}", 1))
    elif kind == "llm_call_started":
        models.of(event)
    elif kind == "llm_call_completed":
        model = models.of(event)
        found.append((f"tokens|{model}", tokens(data)))
        if data["status"] == "error":
            found.append((f"llm_errors|{model}", 1))
    elif kind == "llm_retry":
        found.append((f"llm_errors|{models.of(event)}", 1))
    elif kind == "tool_confirmation":
        found.append(("confirmations|", 1))
    return found


def add(sums: Sums, key: str, value: Any) -> None:
    if isinstance(value, list):
        sums[key] = added(sums.get(key), value)
    else:
        sums[key] = sums.get(key, 0) + value


def window(event: dict[str, Any]) -> str:
    """Return the beginning of the keys of what an event adds."""
    return f"{event['tenant']}|{int(event['ts']) // PANE_SECONDS * PANE_SECONDS}"


class Progress:
    """How far a contender is, and what it has used from its first event to its last."""

    def __init__(self, events: int) -> None:
        self._wanted = events
        self.seen = 0
        self.offsets: dict[int, int] = {}
        """By partition, the next one to be read."""

    def done(self, partition: int, offset: int) -> bool:
        """Tell of an event that was counted; whether it was the last."""
        if not self.seen:
            self._began, self._cpu = time.monotonic(), time.process_time()
        self.seen += 1
        self.offsets[partition] = offset + 1
        return self.seen == self._wanted

    def finish(self, sums: Sums) -> None:
        """Print the result, and end the process without any goodbyes."""
        result = {
            "events": self.seen,
            "seconds": time.monotonic() - self._began,
            "cpu_seconds": time.process_time() - self._cpu,
            "offsets": self.offsets,
            "sums": sums,
        }
        print(json.dumps(result), flush=True)
        sys.stderr.flush()
        os._exit(0)
