"""What is to be told: a function of the transitions, the silences and the times it was asked.

What :meth:`Teller.due` finds goes into the outbox, and counts as told from then on. The outbox is
part of the state: once that is saved, a crash tells the same again and nothing else, whatever the
alerts have come to be since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from headrace.sinks.notify.notification import Notification
from headrace.streams.alerts import grouping
from headrace.streams.alerts.grouping import Grouper
from headrace.streams.alerts.inhibition import Inhibitor, inhibits_of
from headrace.streams.alerts.latest import Latest
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.silences import Silences
from headrace.streams.alerts.transition import Transition


@dataclass(frozen=True, slots=True)
class Due:
    """One delivery to be made."""

    notification: Notification
    news_at: float | None
    """When its newest transition was judged, seconds since 1970; None where it is a repeat."""


class Teller:
    """Belongs to one thread."""

    def __init__(
        self, rules: RuleSet, receivers: Collection[str], silences: Silences, part_bytes: int
    ) -> None:
        """``receivers``: those there are. A delivery has about ``part_bytes`` of transitions."""
        self._by = frozenset(rules.grouping.by)
        self._receivers = frozenset(receivers)
        self._silences = silences
        self._part_bytes = part_bytes
        self._now = 0.0
        self._inhibitor = Inhibitor(inhibits_of(rules))
        self._grouper = Grouper(rules.grouping, self._muted)
        self._latest = Latest()
        self.outbox: list[Due] = []

    def take(self, transition: Transition, now: float) -> list[str]:
        """Take a transition in at ``now`` (s since 1970); gives the receivers that there are not.

        One that came before, or was overtaken, changes nothing.
        """
        if not self._latest.take(transition.id, transition.seq):
            return []
        self._inhibitor.take(transition)
        self._grouper.take(self._addressed(transition), now)
        if transition.state not in {"firing", "resolved"}:
            return []
        return [name for name in transition.receivers if name not in self._receivers]

    def next_due(self) -> float | None:
        """When :meth:`due` has something to look at, in seconds since 1970."""
        return self._grouper.next_due()

    def due(self, now: float) -> bool:
        """Put what is to be told now into the outbox; whether there was something."""
        self._now = now
        found = self._grouper.due(now)
        for one in found:
            self.outbox += parts(one, self._part_bytes)
        return bool(found)

    def _addressed(self, transition: Transition) -> Transition:
        known = tuple(name for name in transition.receivers if name in self._receivers)
        return replace(transition, receivers=known)

    def _muted(self, labels: Mapping[str, str]) -> bool:
        silenced = self._silences.silencing(labels, self._now)
        return bool(silenced) or self._inhibitor.inhibited_by(labels) is not None

    def as_data(self) -> dict[str, Any]:
        """Give all that a restart needs, plain."""
        return {
            "groups": self._grouper.as_data()["groups"],
            "latest": self._latest.as_data(),
            "firing": self._inhibitor.as_data(),
            "outbox": [_plain(one) for one in self.outbox],
        }

    def load(self, data: Mapping[str, Any], now: float) -> None:
        """Take up what :meth:`as_data` gave, maybe under another rules file.

        Groups of receivers that are gone go; where alerts are grouped by other labels now, they
        join the groups of today, which are told of them once more.
        """
        self._latest.load(data["latest"])
        self._inhibitor.load(data["firing"])
        self.outbox = [_from_plain(one) for one in data["outbox"]]
        groups = [one for one in data["groups"] if one["receiver"] in self._receivers]
        kept = [one for one in groups if self._by == one["labels"].keys()]
        self._grouper.load({"groups": kept, "latest": {}})
        for group in groups:
            if self._by != group["labels"].keys():
                for alert in group["alerts"]:
                    self._grouper.take(self._addressed(Transition.from_data(alert)), now)


def parts(found: grouping.Notification, most: int) -> list[Due]:
    """Cut a notification into deliveries of about ``most`` bytes, always at the same places."""
    news_at = None if found.reason == "repeat" else max(one.at for one in found.alerts)
    cut: list[list[dict[str, Any]]] = [[]]
    held = 0
    for alert in found.alerts:
        data = alert.as_data()
        size = len(orjson.dumps(data))
        if cut[-1] and held + size > most:
            cut.append([])
            held = 0
        cut[-1].append(data)
        held += size
    return [
        Due(
            Notification(
                found.receiver, found.group, found.group_labels, tuple(part), found.number
            ),
            news_at,
        )
        for part in cut
    ]


def _plain(one: Due) -> dict[str, Any]:
    told = one.notification
    return {
        "receiver": told.receiver,
        "group_key": told.group_key,
        "group_labels": dict(told.group_labels),
        "transitions": list(told.transitions),
        "number": told.number,
        "news_at": one.news_at,
    }


def _from_plain(data: Mapping[str, Any]) -> Due:
    told = Notification(
        data["receiver"],
        data["group_key"],
        data["group_labels"],
        tuple(data["transitions"]),
        data["number"],
    )
    return Due(told, data["news_at"])
