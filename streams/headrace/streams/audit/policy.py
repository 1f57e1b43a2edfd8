"""What is evidence and how long it is kept: a TOML file of classes and rules."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from headrace.events.envelope import Envelope
from headrace.events.errors import SettingsError
from headrace.streams.alerts.tables import RulesError, read
from headrace.streams.audit.audit_class import AuditClass
from headrace.streams.audit.policy_tables import class_of, rule_of
from headrace.streams.audit.rule import Rule

__all__ = ["POLICY_CLASS", "AuditClass", "Policy", "load", "loads"]

POLICY_CLASS: Final = "policy"
"""Of the entries that say which policy took effect. It is there in every policy."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy. Immutable and without side effects: safe from any thread."""

    source: str
    """The file, as messages call it."""
    text: str
    classes: Mapping[str, AuditClass]
    rules: tuple[Rule, ...]
    id: str = field(init=False)
    """16 hex digits of the text's SHA-256."""
    types: frozenset[str] = field(init=False)
    """Every type that a rule names."""
    _by_type: dict[str, tuple[Rule, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Work out what follows from the text and the rules."""
        types = frozenset[str]().union(*(rule.types for rule in self.rules))
        by_type = {one: tuple(r for r in self.rules if one in r.types) for one in types}
        object.__setattr__(self, "id", hashlib.sha256(self.text.encode()).hexdigest()[:16])
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "_by_type", by_type)

    def may_select(self, type: str) -> bool:  # noqa: A002 - the field's name
        """Tell whether an event of this type can be evidence; a single look-up."""
        return type in self._by_type

    def classify(self, event: Envelope) -> str | None:
        """Name the class of the first rule that the event meets; None: it is no evidence."""
        for rule in self._by_type.get(event.type, ()):
            if rule.matches(event):
                return rule.audit_class
        return None


def load(path: Path | None = None) -> Policy:
    """Read a policy; the shipped one where no path is given.

    Raises :class:`SettingsError` that names the line of each mistake, or says why the file cannot
    be read.
    """
    if path is None:
        shipped = resources.files(__package__ or "") / "policy.toml"
        return loads(shipped.read_text("utf-8"), "the shipped policy")
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the audit policy {path} cannot be read: {error}") from None
    return loads(text, str(path))


def loads(text: str, source: str = "policy") -> Policy:
    """Read the text of a policy; ``source`` is how errors call it.

    Raises :class:`SettingsError`, with ``source:line: what to do`` for each mistake.
    """
    document = read(text, source)
    root = document.root()
    tables = root.tables("class")
    classes: dict[str, AuditClass] = {}
    for table in tables:
        found = class_of(table)
        if found.name in (*classes, POLICY_CLASS):
            table.wrong(f"there is a class {found.name} already", "name")
        classes[found.name] = found
    rules = [rule_of(table, classes) for table in root.tables("rule")]
    root.finish()
    if document.problems:
        raise RulesError(source, document.problems)
    classes[POLICY_CLASS] = _policy_class(classes)
    return Policy(source, text, classes, tuple(rules))


def _policy_class(classes: Mapping[str, AuditClass]) -> AuditClass:
    """What says how evidence was selected is kept as long as any evidence."""
    days = [one.retention_days for one in classes.values()]
    longest = None if None in days else max((d for d in days if d is not None), default=None)
    return AuditClass(
        POLICY_CLASS, longest, erasable=False, purpose="Which policy held, and from when"
    )
