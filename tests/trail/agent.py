"""An agent that says one thing after another, until it is killed.

``python -m tests.trail.agent KAFKA PREFIX SPOOL_DIR TENANT RUN COUNTER``. COUNTER is a file of 16
bytes: how many calls of the hook have returned, and the process id of the shipper.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from itertools import count
from types import SimpleNamespace
from typing import Any

from headrace.producers import EventProducer
from headrace.producers import producer as producing
from headrace.producers.hosts import ProcessHost

SESSIONS = 8
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("llm_text", {"chunk": "x"}),
    ("confirmation_resolved", {"tool": "bash", "outcome": "allow"}),
    ("tool_complete", {"tool": "pay_invoice", "status": "ok"}),
    ("tool_complete", {"tool": "read_file", "status": "ok"}),
    ("session_start", {"agent": "main"}),
]


def said(run: int, number: int) -> tuple[str, dict[str, Any]]:
    """What an agent says as its n-th: type and data."""
    kind, data = KINDS[number % len(KINDS)]
    return kind, {**data, "run": run, "number": number, "words": "w" * (number % 300)}


def session(number: int) -> str:
    return f"s-{number % SESSIONS}"


def user(number: int) -> str | None:
    """Every other session is nobody's."""
    return f"u-{number % SESSIONS}@example.org" if number % 2 else None


def main(arguments: list[str]) -> None:
    kafka, prefix, spool_dir, tenant, run, counter = arguments
    # Who has lost his shipper has what is left shipped by others.
    producing.RESTART = 3600.0  # type: ignore[misc]
    shared = mmap.mmap(os.open(counter, os.O_RDWR), 16)
    producer = EventProducer(kafka, tenant=tenant, spool_dir=spool_dir, topic_prefix=prefix)
    hooks = [producer.hook(session=session(n), user=user(n)) for n in range(SESSIONS)]
    for number in count():
        kind, data = said(int(run), number)
        hooks[number % SESSIONS](SimpleNamespace(type=kind, data=data))
        shared[:8] = (number + 1).to_bytes(8, "little")
        if number % 20 == 0:
            shared[8:] = _shipper(producer).to_bytes(8, "little")
            time.sleep(0.02)  # no agent talks faster, and the machine is to do other things, too


def _shipper(producer: EventProducer) -> int:
    host = producer._lane_host
    process = host._process if isinstance(host, ProcessHost) else None
    return process.pid if process is not None else 0


if __name__ == "__main__":
    main(sys.argv[1:])
