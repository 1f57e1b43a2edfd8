"""What fires now, and what is muted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.events.settings import Settings
from headrace.streams.alerts.inhibition import Inhibitor, inhibits_of
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.silences import Silence, Silences
from headrace.streams.alerts.transition import Transition
from headrace.streams.notify.desk import list_alerts, list_silences

OPEN: Final = ("firing", "pending")
_ORDER: Final = {"firing": 0, "pending": 1}


@dataclass(frozen=True, slots=True)
class Current:
    """An alert as it is now."""

    alert: Transition
    silenced_by: tuple[str, ...]
    """Ids of the silences that it falls under."""
    inhibited_by: str | None
    """Id of a firing alert that mutes it."""

    @property
    def pages(self) -> bool:
        """Whether it fires, and nothing mutes it."""
        return self.alert.state == "firing" and not self.silenced_by and self.inhibited_by is None


def read(
    settings: Settings, rules: RuleSet, *, clock: Callable[[], float] = time.time
) -> list[Current]:
    """Return every alert: what fires first, then what is pending, then what ended, latest first.

    Raises :class:`~headrace.events.errors.Retryable` where Kafka is away.
    """
    alerts, silences = asyncio.run(_look(settings))
    return marked(alerts, silences, rules, clock())


async def _look(settings: Settings) -> tuple[list[Transition], list[Silence]]:
    alerts, silences = await asyncio.gather(list_alerts(settings), list_silences(settings))
    return alerts, silences


def marked(
    alerts: Sequence[Transition], silences: Iterable[Silence], rules: RuleSet, now: float
) -> list[Current]:
    """Put alerts in order, and say what mutes each."""
    known = Silences()
    for one in silences:
        known.take(one)
    inhibitor = Inhibitor(inhibits_of(rules))
    for alert in alerts:
        inhibitor.take(alert)
    return [
        Current(alert, known.silencing(alert.labels, now), inhibitor.inhibited_by(alert.labels))
        for alert in sorted(alerts, key=_place)
    ]


def _place(alert: Transition) -> tuple[int, float, str]:
    latest = alert.starts_at if alert.ends_at is None else alert.ends_at
    return _ORDER.get(alert.state, len(_ORDER)), -latest, alert.id
