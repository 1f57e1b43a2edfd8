"""Alerts that have ended: how long ``agent.alerts`` keeps the latest record of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.model import Flap, Rule
from headrace.streams.alerts.transition import Transition

_GONE: Final = Flap().within
"""Seconds for which the alerts of a rule that is no more are kept."""


class Ended:
    """Names the records that nobody needs any more. Belongs to one thread."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._kept = {rule.name: max(rule.flap.within, rule.memory) for rule in rules}
        self._panes: dict[str, tuple[int, str]] = {}
        """By id, the pane in which it ended and its rule."""

    def note(self, alert: Transition) -> None:
        """Take the latest record of an alert in."""
        if alert.state in ("resolved", "inactive"):
            self._panes[alert.id] = (alert.pane, alert.rule)
        else:
            self._panes.pop(alert.id, None)

    def outlived(self, judged: int) -> list[str]:
        """Give, once, the ids that neither the flap guard nor late data can mind any more.

        ``judged`` is the end of the last pane that was judged (s). :class:`.life.Life` has let go
        of an alert when it is named here, so a restart finds what the worker before it held.
        """
        pane = judged - PANE_SECONDS
        gone = [
            name
            for name, (ended, rule) in self._panes.items()
            if pane - ended > self._kept.get(rule, _GONE)
        ]
        for name in gone:
            del self._panes[name]
        return gone
