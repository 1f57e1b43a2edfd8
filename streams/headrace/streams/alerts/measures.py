"""What a rule measures, and how that is written in a rules file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.matchers import Selector, parse_selector
from headrace.streams.alerts.tables import Table

Selectors = tuple[Selector, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One sum over another, as a share. No data where the denominator is 0."""

    numerator: Selectors
    denominator: Selectors


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum over the window; of a gauge, the largest that its panes had."""

    of: Selectors


@dataclass(frozen=True, slots=True)
class Rate:
    """The sum over the window, per second."""

    of: Selectors


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a histogram, in the histogram's unit."""

    of: Selector
    q: float
    """Above 0, below 1."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Seconds since the last event, of whoever had one within :attr:`known`."""

    of: Selectors
    known: int
    """Seconds for which silence is remembered as such; after that, whoever is silent is gone."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """How far a measure is from the same hour of earlier days.

    That hour is the one that ended a whole number of days ago. A sum is compared with the hour's
    share of it, as long as the window is.
    """

    of: Ratio | Sum | Rate | Quantile
    days: int
    min_days: int
    """Days that must have data, or there is nothing to compare with."""
    measured_as: Literal["deviations", "factor"]


Measure = Ratio | Sum | Rate | Quantile | Absent | Anomaly

HOUR: Final = 3600
DAY: Final = 86_400
_PLAIN: Final = ("ratio", "sum", "rate", "quantile")
KINDS: Final = (*_PLAIN, "absent", "anomaly")
"""The keys of which a rule has exactly one."""


def selectors_of(measure: Measure) -> Iterator[Selector]:
    """Every selector that a measure reads."""
    if isinstance(measure, Ratio):
        yield from measure.numerator
        yield from measure.denominator
    elif isinstance(measure, Quantile):
        yield measure.of
    elif isinstance(measure, Anomaly):
        yield from selectors_of(measure.of)
    else:
        yield from measure.of


def samples_of(measure: Measure) -> Selectors:
    """What is counted against ``min_samples`` where a rule does not say."""
    if isinstance(measure, Ratio):
        return measure.denominator
    if isinstance(measure, Anomaly):
        return samples_of(measure.of)
    return (measure.of,) if isinstance(measure, Quantile) else measure.of


def parse_measure(table: Table, kinds: tuple[str, ...] = KINDS) -> Measure | None:
    """Read the one measure that a table names; None, with a complaint, where it does not."""
    table.asked.update(kinds)
    named = [key for key in kinds if key in table.data]
    if len(named) != 1:
        said = f"it names {' and '.join(named)}" if named else "it names none"
        table.wrong(f"exactly one of {', '.join(kinds)} is needed; {said}", *named[:1])
        return None
    kind = named[0]
    if kind == "sum":
        found = parse_selectors(table, kind)
        return Sum(found) if found else None
    if kind == "rate":
        found = parse_selectors(table, kind, gauges=False)
        return Rate(found) if found else None
    inner = table.table(kind)
    if inner is None:
        return None
    measure = _PARSERS[kind](inner)
    inner.finish()
    return measure


def parse_selectors(table: Table, key: str, *, gauges: bool = True) -> Selectors:
    """Read a list of selectors, each checked against the table of metrics."""
    table.need(key, list, [])
    if table.data.get(key) == []:
        table.wrong(f"`{key}` must list at least one metric", key)
    found = []
    for number, text in enumerate(table.texts(key)):
        selector = table.tried(lambda text=text: _selector(text), None, key, number)  # type: ignore[misc]
        if selector is None:
            continue
        if not gauges and METRICS[selector.metric].kind == "gauge":
            table.wrong(f"`{key}`: {selector.metric} is a gauge: use `sum`", key, number)
        else:
            found.append(selector)
    return tuple(found)


def _selector(text: str) -> Selector:
    selector = parse_selector(text)
    metric = METRICS.get(selector.metric)
    if metric is None:
        near = get_close_matches(selector.metric, METRICS, 1)
        hint = f"did you mean {near[0]}?" if near else "docs/metrics.md lists them"
        raise ValueError(f"there is no metric {selector.metric}; {hint}")
    for matcher in selector.matchers:
        if matcher.name not in ("tenant", *metric.labels):
            raise ValueError(
                f"{metric.name} has no label {matcher.name}; it has"
                f" {', '.join(('tenant', *metric.labels))}"
            )
    return selector


def _ratio(table: Table) -> Measure | None:
    numerator = parse_selectors(table, "numerator", gauges=False)
    denominator = parse_selectors(table, "denominator", gauges=False)
    return Ratio(numerator, denominator) if numerator and denominator else None


def _quantile(table: Table) -> Measure | None:
    text = table.need("of", str, "")
    q = table.need("q", float, 0.5)
    if not 0 < q < 1:
        table.wrong(f"`q` must be above 0 and below 1, not {q:g}", "q")
        return None
    selector = table.tried(lambda: _selector(text), None, "of") if text else None
    if selector is not None and METRICS[selector.metric].kind != "histogram":
        table.wrong(f"`of`: {selector.metric} is no histogram, so it has no quantile", "of")
        return None
    return Quantile(selector, q) if selector else None


def _absent(table: Table) -> Measure | None:
    known = table.duration("known", DAY)
    if known % PANE_SECONDS:
        table.wrong(f"`known` must be a multiple of {PANE_SECONDS}s, which a pane is", "known")
    found = parse_selectors(table, "of", gauges=False)
    return Absent(found, known) if found else None


def _anomaly(table: Table) -> Measure | None:
    days = table.get("days", int, 7)
    min_days = table.get("min_days", int, min(3, days))
    measured_as = table.get("measured_as", str, "deviations")
    of = parse_measure(table, _PLAIN)
    if not 1 <= days <= 28:  # noqa: PLR2004 - four weeks of ten seconds are what memory has room for
        table.wrong("`days` must be 1 to 28", "days")
    elif not 1 <= min_days <= days:
        table.wrong(f"`min_days` must be 1 to {days}, the `days`", "min_days")
    elif measured_as not in ("deviations", "factor"):
        table.wrong("`measured_as` must be deviations or factor", "measured_as")
    elif of is not None and not isinstance(of, (Absent, Anomaly)):
        return Anomaly(of, days, min_days, measured_as)  # type: ignore[arg-type]
    return None


_PARSERS: Final = {"ratio": _ratio, "quantile": _quantile, "absent": _absent, "anomaly": _anomaly}
