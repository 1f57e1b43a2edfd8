"""What the doctor says of alerts: the rules file, and the pages that did not arrive."""

from __future__ import annotations

import asyncio

from headrace.cli.alerts import rules
from headrace.cli.alerts.words import count
from headrace.events.settings import Settings
from headrace.streams.notify import desk


def rules_text(settings: Settings) -> str:
    """Read the configured rules file, and say what it has.

    Raises HeadraceError with its first mistake. Receivers' secrets are not looked for: they are
    those of the worker's environment.
    """
    found = rules.load(settings)
    has = f"{count(len(found.rules), 'rule')}, {count(len(found.receivers), 'receiver')}"
    return f"{found.source}: {has}"


def parked(settings: Settings) -> int:
    """Count the deliveries that wait for a person. Raises Retryable where Kafka is away."""
    found = asyncio.run(desk.list_deliveries(settings))
    return sum(one.status == "parked" for one in found)
