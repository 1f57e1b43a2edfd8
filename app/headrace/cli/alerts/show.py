"""Alerts as tables, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from headrace.cli.alerts.current import Current
from headrace.cli.alerts.words import group_text, iso, threshold_text, value_text, when
from headrace.cli.output import print_table
from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.transition import Transition

_TIMES: Final = ("pane", "starts_at", "ends_at", "at")
_OURS: Final = ("v", "judged", "quiet_since", "fires")
"""What only the processor needs."""


def show_current(found: Iterable[Current], rules: RuleSet) -> None:
    """Print what is, as a table."""
    rows = list(found)
    ended = ("ended",) if any(one.alert.ends_at is not None for one in rows) else ()
    print_table(
        (
            *("state", "severity", "rule", "tenant", "group", "value", "threshold", "since"),
            *ended,
            *("muted", "receivers"),
        ),
        [
            (
                *_cells(one.alert, rules),
                when(one.alert.starts_at),
                *(when(one.alert.ends_at) for _ in ended),
                _muted(one),
                ", ".join(one.alert.receivers),
            )
            for one in rows
        ],
        right=("value",),
    )


def show_history(found: Iterable[Transition], rules: RuleSet) -> None:
    """Print what became of alerts, as a table."""
    print_table(
        (
            *("at", "before", "state", "severity", "rule", "tenant", "group", "value"),
            *("threshold", "pane", "receivers"),
        ),
        [
            (
                when(one.at),
                one.previous,
                *_cells(one, rules),
                when(one.pane),
                ", ".join(one.receivers),
            )
            for one in found
        ],
        right=("value",),
    )


def as_json(alert: Transition) -> dict[str, Any]:
    """Return a transition as scripts read it, its times in UTC."""
    data = {name: value for name, value in alert.as_data().items() if name not in _OURS}
    return data | {name: iso(data[name]) for name in _TIMES}


def current_json(one: Current) -> dict[str, Any]:
    """Return an alert as it is, with what mutes it."""
    muted = {"silenced_by": list(one.silenced_by), "inhibited_by": one.inhibited_by}
    return as_json(one.alert) | muted


def _cells(alert: Transition, rules: RuleSet) -> tuple[object, ...]:
    rule = rules.rule(alert.rule)
    return (
        alert.state,
        alert.severity,
        alert.rule,
        alert.tenant,
        group_text(alert.group),
        value_text(rule, alert.value),
        threshold_text(rule, alert.comparison, alert.threshold),
    )


def _muted(one: Current) -> str:
    silenced = f"silenced by {', '.join(one.silenced_by)}" if one.silenced_by else ""
    inhibited = f"inhibited by {one.inhibited_by}" if one.inhibited_by is not None else ""
    return "; ".join(filter(None, (silenced, inhibited)))
