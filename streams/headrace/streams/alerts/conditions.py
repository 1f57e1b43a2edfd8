"""What a rule measures at one time: per group a value and how many samples it stands on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Final

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.matchers import Selector
from headrace.streams.alerts.measures import (
    DAY,
    HOUR,
    Absent,
    Anomaly,
    Quantile,
    Rate,
    Ratio,
    Selectors,
    Sum,
)
from headrace.streams.alerts.model import Rule
from headrace.streams.alerts.windows import Group, Windows

LEAST_DEVIATION: Final = 0.01
"""Share of the mean that a deviation is at least taken for: days all alike prove little."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule measured of one group."""

    value: float
    samples: float


@dataclass(frozen=True, slots=True)
class _Window:
    windows: Windows
    group_by: tuple[str, ...]
    start: int
    end: int
    tenant: str | None

    def totals(self, selectors: Iterable[Selector]) -> dict[Group, float]:
        """Add up, or take the largest of gauges."""
        gauges, others = _split(selectors, "gauge")
        found = {
            group: merged.sum
            for group, merged in self.windows.merged(
                others, self.group_by, self.start, self.end, self.tenant
            ).items()
        }
        for group, value in self.windows.largest(
            gauges, self.group_by, self.start, self.end, self.tenant
        ).items():
            found[group] = found.get(group, 0.0) + value
        return found

    def samples(self, selectors: Iterable[Selector]) -> dict[Group, float]:
        """Count samples: a histogram's observations, what a counter counted."""
        histograms, others = _split(selectors, "histogram")
        found = self.totals(others)
        for group, merged in self.windows.merged(
            histograms, self.group_by, self.start, self.end, self.tenant
        ).items():
            found[group] = found.get(group, 0.0) + merged.count
        return found


def evaluate(
    rule: Rule, windows: Windows, end: int, tenant: str | None = None
) -> dict[Group, Reading]:
    """Measure at the end of a pane (s), of all tenants or of one; without data no group is there.

    Data are there where at least ``min_samples`` are, and more than none.
    """
    measure = rule.measure
    if isinstance(measure, Absent):
        seen = windows.last_seen(measure.of, rule.group_by, end - measure.known, end, tenant)
        return {group: Reading(float(end - at - PANE_SECONDS), 0.0) for group, at in seen.items()}
    window = _Window(windows, rule.group_by, end - rule.window, end, tenant)
    now = _measured(
        measure.of if isinstance(measure, Anomaly) else measure,
        window,
        rule.window,
        rule.samples,
        rule.min_samples,
    )
    if not isinstance(measure, Anomaly) or not now:
        return now
    earlier: dict[Group, list[float]] = {}
    for day in range(1, measure.days + 1):
        hour = end - day * DAY
        then = _Window(windows, rule.group_by, hour - HOUR, hour, tenant)
        for group, reading in _measured(measure.of, then, HOUR, rule.samples, 0.0).items():
            share = rule.window / HOUR if isinstance(measure.of, Sum) else 1.0
            earlier.setdefault(group, []).append(reading.value * share)
    return {
        group: Reading(score, reading.samples)
        for group, reading in now.items()
        if len(days := earlier.get(group, [])) >= measure.min_days
        and (score := _score(measure, reading.value, days)) is not None
    }


def _measured(
    measure: Ratio | Sum | Rate | Quantile,
    window: _Window,
    seconds: int,
    samples: Selectors,
    least: float,
) -> dict[Group, Reading]:
    counted = window.samples(samples)
    return {
        group: Reading(value, counted[group])
        for group, value in _values(measure, window, seconds).items()
        if counted.get(group, 0.0) > 0 and counted[group] >= least
    }


def _values(
    measure: Ratio | Sum | Rate | Quantile, window: _Window, seconds: int
) -> dict[Group, float]:
    if isinstance(measure, Ratio):
        above = window.totals(measure.numerator)
        return {
            group: above.get(group, 0.0) / below
            for group, below in window.totals(measure.denominator).items()
            if below > 0
        }
    if isinstance(measure, Sum):
        return window.totals(measure.of)
    if isinstance(measure, Rate):
        return {group: total / seconds for group, total in window.totals(measure.of).items()}
    bounds = METRICS[measure.of.metric].buckets
    merged = window.windows.merged(
        (measure.of,), window.group_by, window.start, window.end, window.tenant
    )
    return {
        group: quantile(measure.q, bounds, one.buckets)
        for group, one in merged.items()
        if one.count
    }


def quantile(q: float, bounds: Sequence[float], buckets: Sequence[int]) -> float:
    """Interpolate a quantile as Prometheus' ``histogram_quantile`` does.

    Within a bucket observations are taken to lie evenly, from 0 in the first one; what is beyond
    the last bound counts as that bound. ``buckets`` are not cumulative, one more than ``bounds``,
    and hold at least one observation.
    """
    rank = q * sum(buckets)
    below = 0
    for at, bound in enumerate(bounds):
        if below + buckets[at] >= rank:
            lower = bounds[at - 1] if at else 0.0
            if at == 0 and bound <= 0:
                return bound
            return lower + (bound - lower) * ((rank - below) / buckets[at])
        below += buckets[at]
    return bounds[-1]


def _score(measure: Anomaly, value: float, days: list[float]) -> float | None:
    mean = fsum(days) / len(days)
    if measure.measured_as == "factor":
        return value / mean if mean else None
    deviation = sqrt(fsum((day - mean) ** 2 for day in days) / len(days))
    deviation = max(deviation, LEAST_DEVIATION * abs(mean))
    return (value - mean) / deviation if deviation else None


def _split(
    selectors: Iterable[Selector], kind: str
) -> tuple[tuple[Selector, ...], tuple[Selector, ...]]:
    of_kind: list[Selector] = []
    others: list[Selector] = []
    for selector in selectors:
        (of_kind if METRICS[selector.metric].kind == kind else others).append(selector)
    return tuple(of_kind), tuple(others)
