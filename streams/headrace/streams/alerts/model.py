"""What a rules file says, once it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headrace.streams.alerts.matchers import Matcher
from headrace.streams.alerts.measures import (
    DAY,
    HOUR,
    Absent,
    Anomaly,
    Measure,
    Selectors,
    selectors_of,
)
from headrace.streams.alerts.templates import Template


@dataclass(frozen=True, slots=True)
class Flap:
    """When an alert flaps: it fired so often within so many seconds.

    It then stays firing until it was quiet for ``within / fires``.
    """

    fires: int = 4
    within: int = HOUR

    @property
    def quiet(self) -> int:
        """Seconds without its condition after which a flapping alert resolves."""
        return self.within // self.fires


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Durations are whole seconds. Immutable, so safe from any thread."""

    name: str
    line: int
    measure: Measure
    window: int
    comparison: Literal["above", "below"]
    threshold: float
    min_samples: float
    samples: Selectors
    """What is counted against :attr:`min_samples`."""
    hold: int
    """``for``: how long the condition must be met before the alert fires."""
    keep_firing_for: int
    group_by: tuple[str, ...]
    """Labels beside the tenant."""
    severity: str
    labels: Mapping[str, str]
    annotations: Mapping[str, Template]
    receivers: tuple[str, ...]
    max_age: int
    """The alert is told of, but pages nobody, while its pane ended longer ago than this."""
    inhibits: tuple[str, ...]
    """Rules whose alerts are muted while this one fires for the same group."""
    flap: Flap

    def crosses(self, value: float) -> bool:
        """Tell whether a value is beyond the threshold; silence may be just as long."""
        if isinstance(self.measure, Absent):
            return value >= self.threshold
        return value > self.threshold if self.comparison == "above" else value < self.threshold

    @property
    def selectors(self) -> Selectors:
        """Every selector that the rule reads."""
        return (*selectors_of(self.measure), *self.samples)

    @property
    def memory(self) -> int:
        """How many seconds of panes before its evaluation the rule reads."""
        if isinstance(self.measure, Anomaly):
            return self.measure.days * DAY + max(HOUR, self.window)
        return self.window


@dataclass(frozen=True, slots=True)
class Inhibit:
    """Alerts that match ``target`` are muted while one that matches ``source`` fires.

    Both must agree on the labels ``equal``.
    """

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...]
    line: int = 0


@dataclass(frozen=True, slots=True)
class Grouping:
    """How alerts are put together into notifications. Durations are whole seconds."""

    by: tuple[str, ...] = ("tenant", "alertname")
    wait: int = 0
    """Before the first notification of a group, for more alerts to join it."""
    interval: int = 60
    """Between two notifications of a group."""
    repeat: int = 4 * HOUR
    """After which a group that still fires is told of again."""


@dataclass(frozen=True, slots=True)
class Plain:
    """A table that others understand, as it was read."""

    data: Mapping[str, Any]
    line: int
    lines: Mapping[tuple[str | int, ...], int]
    """The lines of its keys, by their path within the table."""


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A whole rules file. Immutable, so safe from any thread."""

    source: str
    rules: tuple[Rule, ...]
    inhibits: tuple[Inhibit, ...] = ()
    grouping: Grouping = field(default_factory=Grouping)
    receivers: tuple[Plain, ...] = ()

    def rule(self, name: str) -> Rule | None:
        """The rule of a name, None where there is none."""
        return next((rule for rule in self.rules if rule.name == name), None)


def label_name(label: str) -> str:
    """Give the name under which a metric's label stands on an alert: dots become underscores."""
    return label.replace(".", "_")
