"""A policy for people, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.cli.alerts.words import count
from headrace.cli.output import print_table, say
from headrace.streams.audit.policy import Policy
from headrace.streams.audit.retention import written
from headrace.streams.audit.rule import Names, Plain, Rule


def title(policy: Policy) -> str:
    """Say which policy it is and how large."""
    classes, rules = len(policy.classes), len(policy.rules)
    size = f"{classes} classes, {count(rules, 'rule')}"
    return f"{policy.source} ({policy.id}): {size}"


def show(policy: Policy) -> None:
    """Print the classes and the rules, in the order in which they are tried."""
    say(title(policy))
    print_table(
        ("class", "kept", "erasable", "legal hold", "purpose"),
        [
            (one.name, written(one.retention_days), one.erasable, one.legal_hold, one.purpose)
            for one in policy.classes.values()
        ],
    )
    for number, rule in enumerate(policy.rules, 1):
        say("")
        say(f"rule {number}: {rule.audit_class}")
        for name, values in _conditions(rule):
            say(f"  {name:<14}{', '.join(map(_text, values))}")


def as_json(policy: Policy) -> dict[str, Any]:
    return {
        "policy": policy.id,
        "source": policy.source,
        "classes": [
            {
                "class": one.name,
                "retention_days": one.retention_days,
                "erasable": one.erasable,
                "legal_hold": one.legal_hold,
                "purpose": one.purpose,
            }
            for one in policy.classes.values()
        ],
        "rules": [_rule_json(rule) for rule in policy.rules],
    }


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {
        "class": rule.audit_class,
        "types": sorted(rule.types),
        "tools": _patterns(rule.tools),
        "except_tools": _patterns(rule.except_tools),
        "tenants": _patterns(rule.tenants),
        "where": {key: list(values) for key, values in rule.where.items()},
    }


def _conditions(rule: Rule) -> Iterator[tuple[str, tuple[Plain, ...]]]:
    """What an event must have, a line each."""
    yield "types", tuple(sorted(rule.types))
    for key, values in rule.where.items():
        yield f"data.{key}", values
    for name in ("tools", "except_tools", "tenants"):
        if patterns := _patterns(getattr(rule, name)):
            yield name, tuple(patterns)


def _patterns(names: Names | None) -> list[str] | None:
    return None if names is None else list(names.patterns)


def _text(value: Plain) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
