"""Every read and every change is evidence: who did what is in Kafka before it is done."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

from headrace.cli.faults import CommandError
from headrace.events import types
from headrace.events.settings import Settings
from headrace.producers import EventProducer

PATIENCE: Final = 10.0
"""Seconds that Kafka may take to acknowledge: a person waits for it."""
OWN: Final = "headrace"
"""The tenant of a read that met nobody's evidence, or that of the policies."""


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody is about to do with evidence."""

    who: str
    what: str
    """``search``, ``export``, ``hold``, …"""
    selection: Mapping[str, Any]
    """JSON. Whom it is about stands in it by pseudonym: it outlives who is forgotten."""
    kind: str = types.AUDIT_READ
    """The event's type."""


def tell(settings: Settings, access: Access, counts: Mapping[str, int | None]) -> None:
    """Write down an access, tenant by tenant, and wait until Kafka has it. Blocks.

    ``counts``: how many pieces of evidence of each tenant, where that is known. Raises
    :class:`CommandError` where it is not acknowledged: then nothing may be done.
    """
    kafka = settings.need_kafka()
    for tenant, count in counts.items():
        # In memory: what could not be told now is given up, as the reading is.
        producer = EventProducer(
            kafka, tenant=tenant or OWN, durability="memory", topic_prefix=settings.topic_prefix
        )
        try:
            # One a day: each read by itself would push the agents' out of any list of sessions.
            today = f"audit-{datetime.now(timezone.utc):%Y-%m-%d}"
            hook = producer.hook(today, user=access.who)
            hook.emit(access.kind, _data(access, count))
            told = producer.drain(PATIENCE) and producer.report().delivered > 0
        finally:
            producer.close(timeout=1.0)
        if not told:
            raise CommandError(
                f"no {access.what}: it is itself evidence, and Kafka did not acknowledge it within "
                f"{PATIENCE:.0f} s: see `headrace doctor`"
            )


def login() -> str | None:
    """Return who runs this, to the operating system; None where it does not say."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def _data(access: Access, count: int | None) -> dict[str, Any]:
    # Whatever name was given with --as.
    more = {"count": count, "login": login()}
    return {"what": access.what, "selection": dict(access.selection), **more}
