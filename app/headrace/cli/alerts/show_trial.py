"""What rules would have done, as tables, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headrace.cli.alerts.trial import Extreme, Tried, firing_seconds
from headrace.cli.alerts.words import group_text, iso, threshold_text, value_text, when
from headrace.cli.output import print_table, say
from headrace.streams.alerts.backtest import Episode
from headrace.streams.alerts.durations import written
from headrace.streams.alerts.model import Rule


def show(tried: Sequence[Tried]) -> None:
    """Print a summary of each rule, why a rule did not fire, and what began."""
    print_table(
        ("rule", "fired", "in all", "longest", "pages", "farthest", "threshold"),
        [_summary(one) for one in tried],
        right=("fired", "in all", "longest", "pages", "farthest"),
    )
    for one in tried:
        if not one.fired:
            say(f"{one.rule.name} never fired: {why_never(one)}")
    episodes = [(one, episode) for one in tried for episode in one.episodes]
    if episodes:
        say("")
        print_table(
            (
                *("rule", "tenant", "group", "began", "fired", "ended", "firing", "value"),
                "samples",
            ),
            [_episode(*pair) for pair in episodes],
            right=("firing", "value", "samples"),
        )


def why_never(tried: Tried) -> str:
    """Say how near a rule came that never fired, so that its threshold can be tuned."""
    rule, extreme = tried.rule, tried.extreme
    if extreme is None:
        if rule.min_samples > 0:
            return f"no window had the {rule.min_samples:g} samples that it asks for"
        return "no window had data"
    which = "largest" if rule.comparison == "above" else "smallest"
    group = group_text(_names(rule, extreme))
    whose = f"{extreme.group[0]}, {group}" if group else extreme.group[0]
    value = f"the {which} value was {value_text(rule, extreme.value)}"
    place = f"{whose}, {when(extreme.pane)}"
    if not rule.crosses(extreme.value):
        needed = threshold_text(rule, rule.comparison, rule.threshold)
        return f"{value} ({place}), and it takes {needed}"
    if not tried.episodes:
        return f"{value} ({place}), but of an earlier alert"
    return f"{value} ({place}), but not for {written(rule.hold)}"


def as_json(tried: Tried) -> dict[str, Any]:
    """Return what a rule would have done as scripts read it, times in UTC."""
    rule = tried.rule
    return {
        "rule": rule.name,
        "severity": rule.severity,
        "comparison": rule.comparison,
        "threshold": rule.threshold,
        "fired": len(tried.fired),
        "firing_seconds": tried.total,
        "longest_seconds": tried.longest,
        "pages": tried.pages,
        "farthest": None if tried.extreme is None else _extreme_json(rule, tried.extreme),
        "episodes": [_episode_json(one, tried.end) for one in tried.episodes],
    }


def _summary(one: Tried) -> tuple[object, ...]:
    rule = one.rule
    return (
        rule.name,
        len(one.fired),
        written(one.total) if one.fired else "",
        written(one.longest) if one.fired else "",
        one.pages,
        "" if one.extreme is None else value_text(rule, one.extreme.value),
        threshold_text(rule, rule.comparison, rule.threshold),
    )


def _episode(tried: Tried, one: Episode) -> tuple[object, ...]:
    return (
        one.rule,
        one.group["tenant"],
        group_text(one.group),
        when(one.began_at),
        when(one.fired_at),
        when(one.ended_at),
        written(firing_seconds(one, tried.end)) if one.fired_at is not None else "",
        value_text(tried.rule, one.value),
        f"{one.samples:,g}",
    )


def _episode_json(one: Episode, end: int) -> dict[str, Any]:
    return {
        "id": one.id,
        "group": dict(one.group),
        "began_at": iso(one.began_at),
        "fired_at": iso(one.fired_at),
        "ended_at": iso(one.ended_at),
        "firing_seconds": firing_seconds(one, end),
        "value": one.value,
        "samples": one.samples,
        "annotations": dict(one.annotations),
    }


def _extreme_json(rule: Rule, extreme: Extreme) -> dict[str, Any]:
    return {
        "value": extreme.value,
        "samples": extreme.samples,
        "group": _names(rule, extreme),
        "pane": iso(extreme.pane),
    }


def _names(rule: Rule, extreme: Extreme) -> dict[str, str]:
    return dict(zip(("tenant", *rule.group_by), extreme.group, strict=True))
