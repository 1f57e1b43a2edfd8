"""The dead letters that are still dead: not sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from headrace.cli import kafka
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams import dead_letters

_PLACE = (
    dead_letters.SOURCE_TOPIC,
    dead_letters.SOURCE_PARTITION,
    dead_letters.SOURCE_OFFSET,
)


async def still_dead(settings: Settings) -> AsyncIterator[bytes]:
    """Yield the values of the letters without those that were redriven, each source once."""
    dead: dict[tuple[bytes, ...], bytes] = {}
    redriven: set[tuple[bytes, ...]] = set()
    async for record in kafka.read_topic(settings, topics.DEAD_LETTERS):
        place, is_marker = _place_of(record)
        if is_marker:
            redriven.add(place)
        else:
            dead[place] = record.value or b""
    for place, value in dead.items():
        if place not in redriven:
            yield value


def _place_of(record: Any) -> tuple[tuple[bytes, ...], bool]:
    headers = dict(record.headers)
    is_marker = headers.get(dead_letters.KIND) == dead_letters.KIND_REDRIVEN
    return tuple(headers.get(name, b"") for name in _PLACE), is_marker
