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
        self._latest = Latest()

    def take(self, transition: Transition) -> None:
        """Take a transition in; one that was overtaken changes nothing."""
        if not self._latest.take(transition.id, transition.seq):
            return
        if transition.state != "firing":
            self._firing.pop(transition.id, None)
        elif any(all_match(one.source, transition.labels) for one in self._inhibits):
            self._firing[transition.id] = transition.labels

    def inhibited_by(self, labels: Mapping[str, str]) -> str | None:
        """Give the id of a firing alert that mutes one with these labels, None where none does.

        As in Alertmanager, alerts that are both source and target of a rule do not mute each other.
        """
        for rule in self._inhibits:
            if not all_match(rule.target, labels):
                continue
            both = all_match(rule.source, labels)
            for name, source in self._firing.items():
                if (
                    all_match(rule.source, source)
                    and all(source.get(one, "") == labels.get(one, "") for one in rule.equal)
                    and not (both and all_match(rule.target, source))
                ):
                    return name
        return None
