"""Rules of alerts in a TOML file: read, and checked so that every mistake has its line."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Final

from headrace.events.errors import SettingsError
from headrace.streams.alerts.matchers import Matcher, parse_matchers
from headrace.streams.alerts.measures import (
    parse_measure,
    parse_selectors,
    samples_of,
    selectors_of,
)
from headrace.streams.alerts.model import Grouping, Inhibit, Plain, Rule, RuleSet, label_name
from headrace.streams.alerts.rule_fields import (
    annotations_of,
    flap_of,
    group_by_of,
    labels_of,
    min_samples_of,
    receivers_of,
    severity_of,
    threshold_of,
    window_of,
)
from headrace.streams.alerts.tables import RulesError, Table, read

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")


def load(path: Path | None = None) -> RuleSet:
    """Read a rules file; the shipped one where no path is given.

    Raises :class:`~headrace.streams.alerts.tables.RulesError` that names the line of each mistake,
    and :class:`SettingsError` where the file cannot be read.
    """
    if path is None:
        shipped = resources.files(__package__ or "") / "rules.toml"
        return loads(shipped.read_text("utf-8"), "the shipped file")
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the rules file {path} cannot be read: {error}") from None
    return loads(text, str(path))


def loads(text: str, source: str = "rules") -> RuleSet:
    """Read the text of a rules file; ``source`` is how errors call it.

    Raises :class:`~headrace.streams.alerts.tables.RulesError`.
    """
    document = read(text, source)
    root = document.root()
    tables = root.tables("rule")
    rules = [_rule(table) for table in tables]
    inhibits = [_inhibit(table) for table in root.tables("inhibit")]
    grouping = _grouping(root.table("grouping"))
    receivers = root.tables("receiver")
    root.finish()
    _check_names(tables, receivers)
    if document.problems:
        raise RulesError(source, document.problems)
    return RuleSet(
        source,
        tuple(rule for rule in rules if rule is not None),
        tuple(inhibits),
        grouping,
        tuple(_plain(table) for table in receivers),
    )


def _rule(table: Table) -> Rule | None:
    name = table.need("name", str, "")
    if name and not _NAME.fullmatch(name):
        table.wrong("`name` must be letters, digits, _ and -, and begin with a letter", "name")
    measure = parse_measure(table)
    window = window_of(table)
    samples = parse_selectors(table, "samples") if "samples" in table.data else ()
    comparison, threshold = threshold_of(table, measure, window)
    common = {
        "min_samples": min_samples_of(table, measure),
        "hold": table.duration("for", 0),
        "keep_firing_for": table.duration("keep_firing_for", 0),
        "severity": severity_of(table),
        "labels": labels_of(table),
        "annotations": annotations_of(table),
        "receivers": receivers_of(table),
        "max_age": table.duration("max_age", 15 * 60),
        "inhibits": tuple(table.texts("inhibits")),
        "flap": flap_of(table),
    }
    named = (*selectors_of(measure), *samples) if measure else ()
    group_by = group_by_of(table, named)
    table.asked.add("samples")
    table.finish()
    if measure is None:
        return None
    rule = Rule(
        name=name,
        line=table.document.line(table.path),
        measure=measure,
        window=window,
        comparison=comparison,
        threshold=threshold,
        samples=samples or samples_of(measure),
        group_by=group_by,
        **common,  # type: ignore[arg-type]
    )
    _check_templates(table, rule)
    return rule


def _check_templates(table: Table, rule: Rule) -> None:
    known = {"alertname", "severity", "tenant", *rule.labels, *map(label_name, rule.group_by)}
    for name in rule.labels:
        if name in map(label_name, rule.group_by):
            table.wrong(f"`labels`: {name} is in `group_by` already", "labels", name)
    for name, template in rule.annotations.items():
        for label in template.label_names:
            if label not in known:
                table.wrong(
                    f"`{name}`: the alert has no label {label}; it has {', '.join(sorted(known))}",
                    "annotations",
                    name,
                )


def _inhibit(table: Table) -> Inhibit:
    source, target = (_matchers(table, key) for key in ("source", "target"))
    equal = tuple(table.texts("equal"))
    table.finish()
    return Inhibit(source, target, equal, table.document.line(table.path))


def _matchers(table: Table, key: str) -> tuple[Matcher, ...]:
    text = table.need(key, str, "")
    none: tuple[Matcher, ...] = ()
    found = table.tried(lambda: parse_matchers(text), none, key)
    if not found and text.strip(" {}") == "" and key in table.data:
        table.wrong(f"`{key}` must have at least one matcher: every alert would fit", key)
    return found


def _grouping(table: Table | None) -> Grouping:
    if table is None:
        return Grouping()
    usual = Grouping()
    grouping = Grouping(
        tuple(table.texts("by")) if "by" in table.data else usual.by,
        table.duration("wait", usual.wait),
        table.duration("interval", usual.interval),
        table.duration("repeat", usual.repeat),
    )
    table.asked.add("by")
    for key, value in (("interval", grouping.interval), ("repeat", grouping.repeat)):
        if not value:
            table.wrong(f"`{key}` must be longer than nothing", key)
    table.finish()
    return grouping


def _plain(table: Table) -> Plain:
    depth = len(table.path)
    lines = {
        path[depth:]: line
        for path, line in table.document.lines.items()
        if path[:depth] == table.path
    }
    return Plain(table.data, table.document.line(table.path), lines)


def _check_names(rules: list[Table], receivers: list[Table]) -> None:
    """Names must be there once, and what is named must be there."""
    for tables in (rules, receivers):
        first: dict[str, Table] = {}
        for table in tables:
            name = table.data.get("name")
            if not isinstance(name, str):
                continue
            before = first.setdefault(name, table)
            if before is not table:
                line = before.document.line((*before.path, "name"))
                table.wrong(f"there is one of this name on line {line} already", "name")
    names = {table.data.get("name") for table in rules}
    known = {table.data.get("name") for table in receivers}
    for table in rules:
        for number, name in enumerate(table.texts("inhibits")):
            if name not in names or name == table.data.get("name"):
                table.wrong(f"`inhibits`: there is no other rule {name}", "inhibits", number)
        for number, name in enumerate(table.texts("receivers")):
            if known and name not in known:
                table.wrong(
                    f"`receivers`: there is no [[receiver]] {name}; there is"
                    f" {', '.join(sorted(map(str, known)))}",
                    "receivers",
                    number,
                )
