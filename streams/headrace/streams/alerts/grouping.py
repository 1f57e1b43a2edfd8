"""Grouping: alerts that belong together are told together, and not more often than they should.

As in Alertmanager: a notification waits ``wait`` for other alerts to join, comes ``interval`` after
the one before at the earliest, and what still fires is told again after ``repeat``. Other than
there, a group that was quiet for an interval does not wait for the next full one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from headrace.streams.alerts.latest import Latest
from headrace.streams.alerts.model import Grouping
from headrace.streams.alerts.transition import Transition

Reason = Literal["first", "new alerts", "resolved alerts", "all resolved", "repeat"]


@dataclass(frozen=True, slots=True)
class Notification:
    """What one receiver is to be told of one group."""

    receiver: str
    group: str
    """Its key, which holds for the group's life."""
    group_labels: Mapping[str, str]
    alerts: tuple[Transition, ...]
    """The latest of each alert, firing and resolved ones, by id."""
    reason: Reason
    number: int
    """Which one of its group it is, from 1: with the group and the alerts, its identity."""
    at: float


@dataclass(slots=True)
class _Group:
    receiver: str
    labels: dict[str, str]
    alerts: dict[str, Transition] = field(default_factory=dict)
    due: float = 0.0
    told_firing: frozenset[str] = frozenset()
    told_at: float | None = None
    number: int = 0
    """How many notifications there were."""

    @property
    def key(self) -> str:
        return orjson.dumps([self.receiver, sorted(self.labels.items())]).decode()


class Grouper:
    """Puts alerts into groups and says what is due. Belongs to one thread."""

    def __init__(self, grouping: Grouping, muted: Callable[[Mapping[str, str]], bool]) -> None:
        """``muted`` tells whether alerts with these labels are silenced or inhibited just now."""
        self._grouping = grouping
        self._muted = muted
        self._groups: dict[str, _Group] = {}
        self._latest = Latest()

    def take(self, transition: Transition, now: float) -> None:
        """Take a transition in at ``now`` (s since 1970); what has no receiver joins no group."""
        if transition.state not in ("firing", "resolved"):
            return
        if not transition.receivers or not self._latest.take(transition.id, transition.seq):
            return
        for receiver in transition.receivers:
            labels = {name: transition.labels.get(name, "") for name in self._grouping.by}
            group = _Group(receiver, labels, due=now + self._grouping.wait)
            group = self._groups.setdefault(group.key, group)
            group.alerts[transition.id] = transition
            # A clock that was ahead once must not put off what comes now.
            ahead = group.due > now + max(self._grouping.wait, self._grouping.interval)
            if ahead or group.told_at is None or now - group.told_at >= self._grouping.interval:
                group.due = min(group.due, now + self._grouping.wait)

    def next_due(self) -> float | None:
        """When :meth:`due` has something to look at, in seconds since 1970."""
        return min((group.due for group in self._groups.values()), default=None)

    def due(self, now: float) -> list[Notification]:
        """Give what is to be told now. What is given counts as told: its delivery is seen to."""
        told = []
        for key, group in list(self._groups.items()):
            if group.due > now:
                continue
            group.due = now + self._grouping.interval
            notification = self._flush(key, group, now)
            if notification is not None:
                told.append(notification)
            firing = [one for one in group.alerts.values() if one.state == "firing"]
            if not firing and not group.told_firing:
                del self._groups[key]
        return told

    def _flush(self, key: str, group: _Group, now: float) -> Notification | None:
        heard = {i: one for i, one in group.alerts.items() if not self._muted(one.labels)}
        firing = frozenset(i for i, one in heard.items() if one.state == "firing")
        resolved = frozenset(i for i, one in heard.items() if one.state == "resolved")
        resolved &= group.told_firing  # nobody is told of the end of what he was not told of
        reason = self._reason(group, firing, resolved, now)
        if reason is None:
            # What ended unheard of is over.
            self._drop_resolved(group, keep=group.told_firing)
            return None
        group.number += 1
        alerts = tuple(heard[i] for i in sorted(firing | resolved))
        muted = group.told_firing - firing - resolved
        group.told_firing = firing | (muted & set(group.alerts))
        group.told_at = now
        self._drop_resolved(group, keep=group.told_firing)
        return Notification(
            receiver=group.receiver,
            group=key,
            group_labels=group.labels,
            alerts=alerts,
            reason=reason,
            number=group.number,
            at=now,
        )

    def _reason(
        self, group: _Group, firing: frozenset[str], resolved: frozenset[str], now: float
    ) -> Reason | None:
        if not firing <= group.told_firing:
            return "new alerts" if group.told_firing else "first"
        if resolved:
            return "resolved alerts" if firing else "all resolved"
        if firing and group.told_at is not None and now - group.told_at >= self._grouping.repeat:
            return "repeat"
        return None

    @staticmethod
    def _drop_resolved(group: _Group, keep: frozenset[str]) -> None:
        for name in [i for i, one in group.alerts.items() if one.state == "resolved"]:
            if name not in keep:
                del group.alerts[name]

    # ── saving ───────────────────────────────────────────────────────────────

    def as_data(self) -> dict[str, Any]:
        """Give all that a restart needs, plain."""
        groups = [
            {
                "receiver": group.receiver,
                "labels": group.labels,
                "alerts": [one.as_data() for one in group.alerts.values()],
                "due": group.due,
                "told_firing": sorted(group.told_firing),
                "told_at": group.told_at,
                "number": group.number,
            }
            for group in self._groups.values()
        ]
        return {"groups": groups, "latest": self._latest.as_data()}

    def load(self, data: Mapping[str, Any]) -> None:
        """Take up what :meth:`as_data` gave."""
        self._latest.load(data["latest"])
        for one in data["groups"]:
            alerts = [Transition.from_data(alert) for alert in one["alerts"]]
            group = _Group(
                receiver=one["receiver"],
                labels=dict(one["labels"]),
                alerts={alert.id: alert for alert in alerts},
                due=one["due"],
                told_firing=frozenset(one["told_firing"]),
                told_at=one["told_at"],
                number=one["number"],
            )
            self._groups[group.key] = group
