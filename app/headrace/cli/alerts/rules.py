"""Rules files: which one counts, and everything that is wrong with one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from headrace.cli.faults import CommandError
from headrace.cli.mistakes import first_mistake
from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.notify.receivers import read_receivers
from headrace.streams.alerts import rules as rules_module
from headrace.streams.alerts.model import Plain, RuleSet
from headrace.streams.alerts.tables import Problem, RulesError


def load(settings: Settings, file: Path | None = None) -> RuleSet:
    """Read a rules file; without one, the configured or else the shipped one.

    Raises :class:`CommandError` with the first mistake and where the others are told.
    """
    path = file or settings.alert_rules
    try:
        return rules_module.load(path)
    except RulesError as error:
        raise first_mistake(error, "headrace alerts check") from None


def only(rules: RuleSet, name: str | None) -> RuleSet:
    """Keep the rule of a name, all where there is none. Raises :class:`CommandError`."""
    if name is None:
        return rules
    rule = rules.rule(name)
    if rule is None:
        names = ", ".join(one.name for one in rules.rules) or "none"
        raise CommandError(f"no rule {name} in {rules.source}: there is {names}")
    return replace(rules, rules=(rule,))


def _receiver_problems(rules: RuleSet, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Read every receiver, its secrets too; yield what is wrong with each. Blocks on the disk."""
    for number, plain in enumerate(rules.receivers, 1):
        try:
            read_receivers([plain.data], environ)
        except SettingsError as error:
            text = str(error).replace("receiver 1:", f"receiver {number}:", 1)
            yield Problem(_line(plain, text), text)


def _line(plain: Plain, text: str) -> int:
    """Find the line of the key that a complaint names, else of its table."""
    for path, line in plain.lines.items():
        if len(path) == 1 and f": {path[0]}: " in text:
            return line
    return plain.line


def need_right(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise :class:`CommandError` where the configured rules or a receiver have a mistake."""
    try:
        checked(settings.alert_rules, environ)
    except RulesError as error:
        raise first_mistake(error, f"headrace alerts check {settings.alert_rules}") from None


def checked(path: Path | None, environ: Mapping[str, str]) -> RuleSet:
    """Read a rules file (None: the shipped one) and its receivers.

    Raises :class:`RulesError` with all that is wrong, :class:`SettingsError` where the file cannot
    be read.
    """
    found = rules_module.load(path)
    problems = tuple(_receiver_problems(found, environ))
    if problems:
        raise RulesError(found.source, problems)
    return found


def as_json(rules: RuleSet) -> dict[str, Any]:
    """Return what is in a file without a mistake, as scripts read it: no address, no secret."""
    return {
        "source": rules.source,
        "valid": True,
        "mistakes": [],
        "rules": [{"rule": one.name, "severity": one.severity} for one in rules.rules],
        "receivers": [
            {"receiver": one.data["name"], "kind": one.data["kind"]} for one in rules.receivers
        ],
    }
