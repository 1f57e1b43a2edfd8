"""Values, thresholds, groups and times of alerts, as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Final

from headrace.events.metrics import METRICS
from headrace.streams.alerts.durations import written
from headrace.streams.alerts.measures import Absent, Quantile, Ratio
from headrace.streams.alerts.model import Rule

_WHOLE: Final = 1000
"""From here on nobody needs the decimals."""
_TIMES: Final = ("ms", "s")


def value_text(rule: Rule | None, value: float | None) -> str:
    """Write what a rule measured: ``23 %``, ``5m20s``, ``1,234 ms``; nothing where there is none.

    Of a rule that is not known any more it is a bare number.
    """
    if value is None:
        return ""
    measure = None if rule is None else rule.measure
    if isinstance(measure, Ratio):
        return f"{_number(100 * value)} %"
    if isinstance(measure, Absent):
        return written(int(value))
    unit = METRICS[measure.of.metric].unit if isinstance(measure, Quantile) else ""
    return f"{_number(value)} {unit}" if unit in _TIMES else _number(value)


def threshold_text(rule: Rule | None, comparison: str, threshold: float) -> str:
    """Write what a value must be for an alert: ``> 10 %``."""
    sign = {"above": ">", "below": "<"}.get(comparison, comparison)
    if rule is not None and isinstance(rule.measure, Absent):
        sign = ">="
    return f"{sign} {value_text(rule, threshold)}"


def group_text(group: Mapping[str, str]) -> str:
    """Write what an alert is about beside its tenant: ``tool=run_sql``."""
    return ", ".join(f"{name}={value}" for name, value in group.items() if name != "tenant")


def count(number: int, what: str) -> str:
    """Write how many there are: ``1 rule``, ``5 rules``."""
    return f"{number:,} {what if number == 1 else what + 's'}"


def when(seconds: float | None) -> str:
    """Write a time (s since 1970) in UTC for a table."""
    found = _utc(seconds)
    return "" if found is None else f"{found:%Y-%m-%d %H:%M:%S}"


def iso(seconds: float | None) -> str | None:
    """Write a time (s since 1970) in UTC for a script."""
    found = _utc(seconds)
    return None if found is None else found.isoformat()


def _utc(seconds: float | None) -> datetime | None:
    """None too for what no calendar has."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return None


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.4g}"
