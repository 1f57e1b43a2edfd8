"""The tables of an audit policy: ``[[class]]`` and ``[[rule]]``."""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any, Final

from headrace.events.topics import AUDIT_STATE, class_topic
from headrace.streams.alerts.tables import Table
from headrace.streams.audit.audit_class import AuditClass
from headrace.streams.audit.retention import days_of
from headrace.streams.audit.rule import Names, Plain, Rule

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
"""Names of classes are names in the vault and ends of topics' names, too."""


def class_of(table: Table) -> AuditClass:
    """Read a class; what is wrong with it stands in the document."""
    name = table.need("name", str, "")
    if name and not _NAME.fullmatch(name):
        table.wrong("`name` must be up to 32 of a-z, 0-9 and -, and begin with a letter", "name")
    if class_topic(name) == AUDIT_STATE:
        table.wrong(f"`name` must not be {name}: {AUDIT_STATE} is headrace's own topic", "name")
    written = table.need("retention", str, "")
    days = table.tried(lambda: days_of(written), None, "retention") if written else None
    erasable = table.need("erasable", bool, default=False)
    purpose = table.need("purpose", str, "")
    legal_hold = table.get("legal_hold", bool, default=False)
    table.finish()
    return AuditClass(name, days, erasable, purpose, legal_hold)


def rule_of(table: Table, classes: Collection[str]) -> Rule:
    """Read a rule; what is wrong with it stands in the document."""
    name = table.need("class", str, "")
    if name and name not in classes:
        near = get_close_matches(name, classes, 1)
        known = ", ".join(sorted(classes)) or "none"
        hint = f"did you mean {near[0]}?" if near else f"there is {known}"
        table.wrong(f"`class`: there is no [[class]] {name}; {hint}", "class")
    rule = Rule(
        name,
        _types(table),
        tools=_names(table, "tools"),
        except_tools=_names(table, "except_tools"),
        tenants=_names(table, "tenants"),
        where=_where(table.table("where")),
    )
    table.finish()
    return rule


def _types(table: Table) -> frozenset[str]:
    types = table.texts("types")
    if not types:
        at = ("types",) if "types" in table.data else ()
        table.wrong("`types` must name at least one type of event", *at)
    for number, one in enumerate(types):
        if set(one) & set("*?["):
            table.wrong(f"`types` are whole names, not patterns: {one!r}", "types", number)
    return frozenset(types)


def _names(table: Table, key: str) -> Names | None:
    patterns = table.texts(key)
    if key in table.data and not patterns:
        table.wrong(f"`{key}` must not be empty: leave it out where any will do", key)
    return Names(patterns) if patterns else None


def _where(table: Table | None) -> dict[str, tuple[Plain, ...]]:
    if table is None:
        return {}
    return {key: _values(table, key, value) for key, value in table.data.items()}


def _values(table: Table, key: str, value: Any) -> tuple[Plain, ...]:
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(one, (str, int, float)) for one in values):
        table.wrong(f"`{key}` must be a text, a number, true or false, or a list of such", key)
    return tuple(values)
