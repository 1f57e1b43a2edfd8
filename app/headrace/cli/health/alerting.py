"""What the doctor says of alerts: the rules file, and the pages that did not arrive."""

from __future__ import annotations

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
    nobody = "" if found.receivers else " (nobody is told: name one in HEADRACE_ALERT_RULES)"
    return f"{found.source}: {has}{nobody}"


async def parked(settings: Settings, since: float = 0.0) -> int:
    """Count the deliveries that were given up since a time (s since 1970) and wait for a person.

    Raises Retryable where Kafka is away.
    """
    found = await desk.list_deliveries(settings)
    return sum(one.status == "parked" and one.at >= since for one in found)
