"""The same rules for Prometheus: a rules file over the metrics that the workers serve.

Two differences cannot be written away. Prometheus sees a counter only from its first scrape on, so
what a new series begins with is no increase to it; and it judges when it scrapes, not in event
time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.conditions import LEAST_DEVIATION
from headrace.streams.alerts.durations import written
from headrace.streams.alerts.matchers import Matcher, Selector
from headrace.streams.alerts.measures import Absent, Anomaly, Quantile, Rate, Ratio, Selectors, Sum
from headrace.streams.alerts.model import Rule, RuleSet, label_name
from headrace.streams.alerts.templates import Placeholder, Template

_DAY_LABEL: Final = "headrace_day"
_FILTERS: Final = {
    "": 'printf "%.4g"',
    "percent": "humanizePercentage",
    "seconds": 'printf "%.4gs"',
}


def write(rules: RuleSet) -> str:
    """Write a Prometheus rules file (YAML), one group, judged as often as panes end."""
    lines = ["groups:", "- name: headrace", f"  interval: {PANE_SECONDS}s", "  rules:"]
    for rule in rules.rules:
        lines += _rule(rule)
    return "\n".join(lines) + "\n"


def expression(rule: Rule) -> str:
    """Write what a rule measures, and when that is too much or too little, in PromQL."""
    by = ", ".join(("tenant", *map(label_name, rule.group_by)))
    measure = rule.measure
    if isinstance(measure, Absent):
        silent = _totals(measure.of, by, rule.window)
        known = _totals(measure.of, by, max(measure.known, rule.window))
        return f"({silent} == 0) and ({known} > 0)"
    enough = _enough(rule.samples, by, rule.window, rule.min_samples)
    if isinstance(measure, Anomaly):
        value = _score(rule, measure, by)
    else:
        value = _value(measure, by, rule.window)
    sign = ">" if rule.comparison == "above" else "<"
    return f"({value} {sign} {_number(rule.threshold)}) and ({enough})"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"  - alert: {_text(rule.name)}"
    yield f"    expr: {_text(expression(rule))}"
    if rule.hold:
        yield f"    for: {written(rule.hold)}"
    if rule.keep_firing_for:
        yield f"    keep_firing_for: {written(rule.keep_firing_for)}"
    yield "    labels:"
    for name, value in {"severity": rule.severity, **rule.labels}.items():
        yield f"      {name}: {_text(_plain(value))}"
    if rule.annotations:
        yield "    annotations:"
        for name, template in rule.annotations.items():
            yield f"      {name}: {_text(''.join(_parts(rule, template)))}"


def _value(measure: Ratio | Sum | Rate | Quantile, by: str, window: int, offset: int = 0) -> str:
    if isinstance(measure, Ratio):
        above = _totals(measure.numerator, by, window, offset)
        below = _totals(measure.denominator, by, window, offset)
        # A numerator that was never counted is none, not unknown.
        return f"(({above} or 0 * {below}) / ({below} > 0))"
    if isinstance(measure, Sum):
        return _totals(measure.of, by, window, offset)
    if isinstance(measure, Rate):
        return f"({_totals(measure.of, by, window, offset)} / {window})"
    buckets = _series(measure.of, "_bucket")
    return (
        f"histogram_quantile({_number(measure.q)},"
        f" sum by ({by}, le) (increase({buckets}{_range(window, offset)})))"
    )


def _totals(selectors: Iterable[Selector], by: str, window: int, offset: int = 0) -> str:
    """Add selectors up; one that has no series adds nothing."""
    parts = [_total(one, by, window, offset) for one in selectors]
    if len(parts) == 1:
        return parts[0]
    # One label each, or the parts would be taken for the same series.
    marked = [
        f'label_replace({part}, "headrace_part", "{number}", "", "")'
        for number, part in enumerate(parts)
    ]
    return f"sum by ({by}) ({' or '.join(marked)})"


def _total(selector: Selector, by: str, window: int, offset: int) -> str:
    kind = METRICS[selector.metric].kind
    if kind == "gauge":
        inner = f"sum by ({by}) ({_series(selector)})"
        return f"max_over_time({inner}{_range(window, offset, step=True)})"
    series = _series(selector, "_sum" if kind == "histogram" else "")
    return f"sum by ({by}) (increase({series}{_range(window, offset)}))"


def _enough(samples: Selectors, by: str, window: int, least: float, offset: int = 0) -> str:
    counted = [
        f"sum by ({by}) (increase({_series(one, '_count')}{_range(window, offset)}))"
        if METRICS[one.metric].kind == "histogram"
        else _total(one, by, window, offset)
        for one in samples
    ]
    if len(counted) > 1:
        marked = [
            f'label_replace({part}, "headrace_part", "{number}", "", "")'
            for number, part in enumerate(counted)
        ]
        counted = [f"sum by ({by}) ({' or '.join(marked)})"]
    return f"{counted[0]} >= {_number(least)}" if least else f"{counted[0]} > 0"


def _score(rule: Rule, measure: Anomaly, by: str) -> str:
    now = _value(measure.of, by, rule.window)
    share = f" * {_number(rule.window / 3600)}" if isinstance(measure.of, Sum) else ""
    days = []
    for day in range(1, measure.days + 1):
        offset = day * 86_400
        value = _value(measure.of, by, 3600, offset)
        enough = _enough(rule.samples, by, 3600, 0, offset)
        days.append(
            f'label_replace(({value}{share}) and ({enough}), "{_DAY_LABEL}", "{day}", "", "")'
        )
    history = f"({' or '.join(days)})"
    mean = f"avg by ({by}) {history}"
    known = f"(count by ({by}) {history} >= {measure.min_days})"
    if measure.measured_as == "factor":
        return f"(({now} / ({mean} != 0)) and {known})"
    deviation = f"stddev by ({by}) {history}"
    least = f"{_number(LEAST_DEVIATION)} * abs({mean})"
    # The greater of the two, as far as it is above 0.
    spread = f"((({deviation}) > ({least})) or (({least}) > 0))"
    return f"((({now} - {mean}) / {spread}) and {known})"


def _series(selector: Selector, suffix: str = "") -> str:
    matchers = ", ".join(
        str(Matcher(label_name(one.name), one.operator, one.value)) for one in selector.matchers
    )
    name = METRICS[selector.metric].prometheus_name + suffix
    return f"{name}{{{matchers}}}" if matchers else name


def _range(window: int, offset: int, *, step: bool = False) -> str:
    # A second less: older versions count the point at the beginning too.
    span = f"{written(window - 1)}:{PANE_SECONDS}s" if step else written(window)
    return f"[{span}]" + (f" offset {written(offset)}" if offset else "")


def _parts(rule: Rule, template: Template) -> Iterator[str]:
    for part in template.parts:
        yield _placed(rule, part) if isinstance(part, Placeholder) else part


def _placed(rule: Rule, place: Placeholder) -> str:
    if place.name == "labels":
        if place.label in ("alertname", "severity", *rule.labels):
            known = {"alertname": rule.name, "severity": rule.severity, **rule.labels}
            return _plain(known[place.label])
        return f"{{{{ $labels.{place.label} }}}}"
    if place.name == "tenant":
        return "{{ $labels.tenant }}"
    if place.name == "rule":
        return rule.name
    if place.name == "window":
        return written(rule.window)
    if place.name == "value":
        return f"{{{{ $value | {_FILTERS[place.filter]} }}}}"
    if place.name == "threshold":
        return f"{{{{ {_number(rule.threshold)} | {_FILTERS[place.filter]} }}}}"
    # Prometheus has no second value at hand.
    return f"at least {_number(rule.min_samples)}"


def _plain(text: str) -> str:
    """Give a text that Prometheus does not take for a template."""
    return text.replace("{{", "{{`{{`}}")


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)


def _text(text: str) -> str:
    """Write a text for YAML, which JSON's are."""
    return json.dumps(text, ensure_ascii=False)
