"""A realistic mix of events, of any length, from sessions recorded from real agents.

``data/events.jsonl.gz`` (see record_sample.py) holds whole sessions of agentao. :func:`mix` plays
them again under new session names, many at a time, each session in its recorded order. Ids of calls
are drawn anew for every playing, so that the stream compresses as a real one does.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

SAMPLE = Path(__file__).parent / "data" / "events.jsonl.gz"
RUN_LENGTH = 8
"""Events of one session that follow each other before another session has its turn, on average."""


@dataclass(frozen=True, slots=True)
class Event:
    """What the hook is handed: the shape of agentao's ``AgentEvent``."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)


class SessionEvent(NamedTuple):
    session: str
    event: Event


@cache
def recorded() -> tuple[tuple[Event, ...], ...]:
    """Return the recorded sessions. The ``data`` is shared: do not change it."""
    sessions: dict[str, list[Event]] = {}
    for line in gzip.decompress(SAMPLE.read_bytes()).splitlines():
        event = json.loads(line)
        sessions.setdefault(event["session"], []).append(Event(event["type"], event["data"]))
    return tuple(map(tuple, sessions.values()))


def sample() -> list[Event]:
    """Return all recorded events, session after session, for measuring the cost of one call."""
    return [event for session in recorded() for event in session]


def mix(
    count: int, *, concurrent: int = 64, seed: int = 1, prefix: str = "s"
) -> Iterator[SessionEvent]:
    """Yield ``count`` events of ``concurrent`` sessions that run side by side.

    Each session is one of the recorded ones, whole and in order (the last ones are cut where
    ``count`` is reached), named ``{prefix}-{number}``. The same arguments give the same events.
    """
    draw = random.Random(seed)
    running: list[tuple[str, Iterator[Event]]] = []
    started = produced = 0
    while True:
        while len(running) < concurrent:
            started += 1
            running.append((f"{prefix}-{started}", _play(draw.choice(recorded()), draw)))
        place = draw.randrange(concurrent)
        session, events = running[place]
        for _ in range(draw.randint(1, 2 * RUN_LENGTH - 1)):
            if produced == count:
                return
            event = next(events, None)
            if event is None:
                del running[place]
                break
            produced += 1
            yield SessionEvent(session, event)


def _play(session: tuple[Event, ...], draw: random.Random) -> Iterator[Event]:
    renamed: dict[str, str] = {}
    for event in session:
        data = event.data
        for key in ("call_id", "child_task_id", "content_hash"):
            old = data.get(key)
            if isinstance(old, str):
                if old not in renamed:
                    renamed[old] = f"{draw.getrandbits(8 * (len(old) // 2)):x}"
                data = {**data, key: renamed[old]}
        yield Event(event.type, data) if data is not event.data else event


if __name__ == "__main__":
    events = sample()
    size = sum(len(json.dumps(event.data)) for event in events) / len(events)
    print(f"{len(recorded())} sessions, {len(events)} events, data of {size:.0f} bytes on average")
