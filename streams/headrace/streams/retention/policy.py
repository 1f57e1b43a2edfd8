"""The TOML file of retention: spans by table, tenant and type of event."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.events.errors import SettingsError
from headrace.streams.alerts.durations import seconds_of
from headrace.streams.alerts.tables import Document, RulesError, Table, read

DAY: Final = 86_400
FOREVER: Final = 0
"""The span of what is kept for good."""
SHORTEST: Final = 3_600
LONGEST: Final = 3_650 * DAY
"""A time of ClickHouse's ends in 2106."""
DEFAULTS: Final[Mapping[str, int]] = {
    "events": 7 * DAY,
    "logs": 14 * DAY,
    "traces": 7 * DAY,
    "metrics": 400 * DAY,
    "alerts": FOREVER,
}
"""What holds where a file says nothing."""

_PATTERN: Final = re.compile(r"[^*]*\*?[^*]*")


@dataclass(frozen=True, slots=True)
class Spans:
    """What is said of one tenant, or of all."""

    tables: Mapping[str, int] = field(default_factory=dict)
    types: Mapping[str, int] = field(default_factory=dict)
    """Of events, by type or pattern (``tool_*``); the first that fits counts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of one table that are kept for one span. The first rule that fits a row counts."""

    seconds: int
    tenant: str | None = None
    """None: of every tenant."""
    type: str | None = None
    """Type of event, or a pattern with ``*``. None: of every type."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How long rows are kept. Immutable."""

    default: Spans = field(default_factory=Spans)
    tenants: Mapping[str, Spans] = field(default_factory=dict)

    def rules(self, table: str) -> list[Rule]:
        """Return a table's rules; the last one fits every row.

        What is said of a tenant comes before what is said of all, and the type before the table.
        """
        found = [
            rule for name, spans in self.tenants.items() for rule in _rules(spans, table, name)
        ]
        found += _rules(self.default, table, None)
        if not found or found[-1] != Rule(found[-1].seconds):
            found.append(Rule(DEFAULTS[table]))
        return found


def _rules(spans: Spans, table: str, tenant: str | None) -> Iterator[Rule]:
    if table == "events":
        for pattern, seconds in spans.types.items():
            yield Rule(seconds, tenant, pattern)
    if table in spans.tables:
        yield Rule(spans.tables[table], tenant)


def load(path: Path | None) -> Policy:
    """Read the file; None: the policy that is shipped.

    Raises :class:`SettingsError` that names the line of each mistake, or says why the file cannot
    be read.
    """
    if path is None:
        return Policy()
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the retention file {path} cannot be read: {error}") from None
    return loads(text, str(path))


def loads(text: str, source: str = "retention") -> Policy:
    """Read the text of a file. Raises :class:`SettingsError`."""
    document = read(text, source)
    policy = _policy(document)
    if document.problems:
        raise RulesError(source, document.problems)
    return policy


def _policy(document: Document) -> Policy:
    root = document.root()
    default, tenants = root.table("default"), root.table("tenant")
    found: dict[str, Spans] = {}
    for name in tenants.data if tenants is not None else ():
        one = tenants.table(name) if tenants is not None else None
        if not name:
            root.wrong("a tenant has a name", "tenant")
        if one is not None:
            found[name] = _spans(one)
    root.finish()
    return Policy(Spans() if default is None else _spans(default), found)


def _spans(table: Table) -> Spans:
    tables = {name: _span(table, name) for name in DEFAULTS if name in table.data}
    table.asked |= set(DEFAULTS)
    inner = table.table("types")
    types: dict[str, int] = {}
    if inner is not None:
        for pattern in inner.data:
            if not pattern or not _PATTERN.fullmatch(pattern):
                inner.wrong("a type is a name, or has one `*` that stands for anything", pattern)
            types[pattern] = _span(inner, pattern)
    table.finish()
    return Spans(tables, types)


def _span(table: Table, key: str) -> int:
    if table.data[key] == "forever":
        table.asked.add(key)
        return FOREVER
    text = table.get(key, str, "")
    if not text:
        if isinstance(table.data[key], str):
            table.wrong(f'`{key}` is empty: write a span such as "7d", or "forever"', key)
        return SHORTEST
    seconds = table.tried(lambda: seconds_of(text), SHORTEST, key)
    if not SHORTEST <= seconds <= LONGEST:
        table.wrong(f'`{key}`: from 1h to {LONGEST // DAY}d, or "forever"', key)
    return seconds
