"""Scrubbers and events for the tests."""

from __future__ import annotations

from typing import Any

import orjson

from headrace.streams.scrub.config import loads
from headrace.streams.scrub.event import Tally
from headrace.streams.scrub.scrubber import Scrubber

KEY = {"SCRUB_KEY": "0123456789abcdef" * 4}


def scrubber(rules: str) -> Scrubber:
    return loads(f'key_variable = "SCRUB_KEY"\n{rules}', environ=KEY)


def detecting(*names: str, more: str = "") -> Scrubber:
    listed = ", ".join(f'"{name}"' for name in names)
    return scrubber(f"[[rule]]\ndetect = [{listed}]\n{more}")


def envelope(data: Any, **changes: Any) -> dict[str, Any]:
    fields = {
        "v": 1,
        "tenant": "acme",
        "session": "s-1",
        "user": "u-1",
        "epoch": "00000000000000aa",
        "seq": 7,
        "ts": 1_764_000_000.25,
        "type": "tool_start",
        "data": data,
    }
    return {**fields, **changes}


def event(data: Any, **changes: Any) -> bytes:
    return orjson.dumps(envelope(data, **changes))


def scrubbed(by: Scrubber, value: bytes) -> bytes:
    """The whole way, through the hints."""
    (done,) = by.scrub([value]).values
    assert done is not None
    return done


def without_hints(by: Scrubber, value: bytes) -> bytes:
    return by.scrub_one(value, Tally(), all_rules=True)
