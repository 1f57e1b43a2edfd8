"""A policy as ClickHouse's TTL: one expression a table, where the first rule that fits counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from headrace.streams.retention.policy import DAY, FOREVER, Rule

NEVER: Final = "toDateTime(4294967295, 'UTC')"
"""The last second that ClickHouse knows."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A table whose rows go with time. Each has a column ``tenant``."""

    name: str
    """As a policy calls it."""
    table: str
    since: str
    """When a row's span begins: a DateTime. By the archive's own clock where it says it, which no
    agent can set wrong, and so that an old file that is read in is not gone at once."""
    only: str = ""
    """Which rows go at all; none: every row."""
    text: str = ""
    """The column that most of its bytes are in."""


KEPT: Final = (
    Kept("events", "events_raw", "toDateTime(ingested_at)", text="data"),
    Kept("logs", "logs_raw", "toDateTime(ingested_at)", text="data"),
    Kept("traces", "otel_traces_raw", "ingested_at"),
    Kept("traces", "otel_traces_trace_id_ts", "ingested_at"),
    Kept("metrics", "metric_panes_raw", "start", only="metric != 'headrace.watermark'"),
    Kept("alerts", "alert_transitions_raw", "toDateTime(toUInt32(at), 'UTC')"),
)
"""Evidence has its own dates, and the ledgers outlive what they account for."""
NUMBERED: Final = ("events_raw", "logs_raw")
"""Tables whose rows are accounted for by number."""


def ttl(kept: Kept, rules: Sequence[Rule]) -> str:
    """Return the TTL; nothing where every row is kept for good."""
    if all(rule.seconds == FOREVER for rule in rules):
        return ""
    ends = [_end(kept, rule.seconds) for rule in rules]
    whole = chosen(rules, ends)
    return f"{whole} WHERE {kept.only}" if kept.only else whole


def chosen(rules: Sequence[Rule], values: Iterable[str]) -> str:
    """Return SQL for the value of the first rule that fits a row. The last rule fits every row."""
    *some, last = zip(rules, values, strict=True)
    if not some:
        return last[1]
    pairs = ", ".join(f"{_condition(rule)}, {value}" for rule, value in some)
    return f"multiIf({pairs}, {last[1]})"


def shortest(rules: Iterable[Rule]) -> int:
    """Return the seconds that every row is kept; 0 where none goes."""
    return min((rule.seconds for rule in rules if rule.seconds != FOREVER), default=0)


def _end(kept: Kept, seconds: int) -> str:
    if seconds == FOREVER:
        return NEVER
    if seconds % DAY:
        return f"{kept.since} + toIntervalSecond({seconds})"
    return f"{kept.since} + toIntervalDay({seconds // DAY})"


def _condition(rule: Rule) -> str:
    conditions = []
    if rule.tenant is not None:
        conditions.append(f"(tenant = {literal(rule.tenant)})")
    if rule.type is not None:
        conditions.append(f"({_of_type(rule.type)})")
    return " AND ".join(conditions) or "1"


def _of_type(pattern: str) -> str:
    begin, star, end = pattern.partition("*")
    if not star:
        return f"type = {literal(pattern)}"
    return f"type LIKE {literal(_escaped(begin) + '%' + _escaped(end))}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def literal(text: str) -> str:
    """Quote a text for ClickHouse, whatever is in it: it stays one literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
