"""Inhibition: while one alert fires, others that it explains are told to nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headrace.streams.alerts.latest import Latest
from headrace.streams.alerts.matchers import Matcher, all_match
from headrace.streams.alerts.model import Inhibit, RuleSet, label_name
from headrace.streams.alerts.transition import Transition


def inhibits_of(rules: RuleSet) -> tuple[Inhibit, ...]:
    """Every inhibition of a rules file: its ``[[inhibit]]`` tables and what rules say themselves.

    A rule that inhibits another mutes the alerts that agree with it on all that it groups by: a
    tenant-wide one mutes the tenant's per-tool ones.
    """
    own = [
        Inhibit(
            source=(Matcher("alertname", "=", rule.name),),
            target=(Matcher("alertname", "=", other),),
            equal=("tenant", *map(label_name, rule.group_by)),
            line=rule.line,
        )
        for rule in rules.rules
        for other in rule.inhibits
    ]
    return (*own, *rules.inhibits)


class Inhibitor:
    """Knows what fires and what that mutes. Belongs to one thread."""

    def __init__(self, inhibits: Iterable[Inhibit]) -> None:
        self._inhibits = tuple(inhibits)
        self._firing: dict[str, Mapping[str, str]] = {}
        """The labels of all that fires: after a restart other inhibitions may be in force."""
        self._sources: dict[str, Mapping[str, str]] = {}
        """Those of them that may mute others."""
        self._latest = Latest()

    def take(self, transition: Transition) -> None:
        """Take a transition in; one that was overtaken changes nothing."""
        if not self._latest.take(transition.id, transition.seq):
            return
        if transition.state == "firing":
            self._fires(transition.id, transition.labels)
        else:
            self._firing.pop(transition.id, None)
            self._sources.pop(transition.id, None)

    def _fires(self, name: str, labels: Mapping[str, str]) -> None:
        self._firing[name] = labels
        if any(all_match(one.source, labels) for one in self._inhibits):
            self._sources[name] = labels

    def inhibited_by(self, labels: Mapping[str, str]) -> str | None:
        """Give the id of a firing alert that mutes one with these labels, None where none does.

        As in Alertmanager, alerts that are both source and target of a rule do not mute each other.
        """
        for rule in self._inhibits:
            if not all_match(rule.target, labels):
                continue
            both = all_match(rule.source, labels)
            for name, source in self._sources.items():
                if (
                    all_match(rule.source, source)
                    and all(source.get(one, "") == labels.get(one, "") for one in rule.equal)
                    and not (both and all_match(rule.target, source))
                ):
                    return name
        return None

    def as_data(self) -> dict[str, dict[str, str]]:
        """Give the labels of what fires, by id. What came last of each id is not among it."""
        return {name: dict(labels) for name, labels in self._firing.items()}

    def load(self, data: Mapping[str, Mapping[str, str]]) -> None:
        """Take up what :meth:`as_data` gave."""
        for name, labels in data.items():
            self._fires(name, labels)
