"""A policy as ClickHouse's TTL: one expression a table, where the first rule that fits counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from headrace.streams.retention.policy import DAY, FOREVER, Rule

LAST: Final = 2**32 - 1
"""The last second that ClickHouse knows: of what is kept for good."""


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
    spans = {rule.seconds for rule in rules}
    if spans == {FOREVER}:
        return ""
    whole = _end(kept, rules) if len(spans) > 1 else f"{kept.since} + {_interval(*spans)}"
    return f"{whole} WHERE {kept.only}" if kept.only else whole


def _interval(seconds: int) -> str:
    days, rest = divmod(seconds, DAY)
    return f"toIntervalSecond({seconds})" if rest else f"toIntervalDay({days})"


def _end(kept: Kept, rules: Sequence[Rule]) -> str:
    seconds = chosen(rules, [rule.seconds or LAST for rule in rules])
    return f"toDateTime(least(toUnixTimestamp({kept.since}) + ({seconds}), {LAST}), 'UTC')"


def chosen(rules: Sequence[Rule], values: Iterable[int]) -> str:
    """Return SQL for the value of the first rule that fits a row. The last rule fits every row.

    Tenants are looked up by name: of conditions, each would be tried on each row that is inserted,
    and ClickHouse refuses a few thousand of them.
    """
    *some, (_, sql) = [(rule, str(value)) for rule, value in zip(rules, values, strict=True)]
    for step in reversed(_steps(some)):
        if not step.tenants:
            sql = f"if({_of_type(step.type)}, {step.value}, {sql})" if step.type else step.value
            continue
        tenant = f"if({_of_type(step.type)}, tenant, '')" if step.type else "tenant"
        names = ", ".join(map(literal, step.tenants))
        sql = f"transform({tenant}, [{names}], [{', '.join(step.tenants.values())}], {sql})"
    return sql


@dataclass(slots=True)
class _Step:
    """Rules about one type or pattern, or about every type: one of all tenants, or one for each."""

    type: str | None
    value: str = ""
    """Of every tenant."""
    tenants: dict[str, str] = field(default_factory=dict)
    """Values by tenant."""


def _steps(rules: Iterable[tuple[Rule, str]]) -> list[_Step]:
    """Gather what may be asked at once: the rules that fit one row stay in their order."""
    steps: list[_Step] = []
    first, after = 0, dict[str, int]()
    for rule, value in rules:
        if rule.tenant is None:
            steps.append(_Step(rule.type, value))
            first = len(steps)
            continue
        at = max(first, after.get(rule.tenant, 0))
        while at < len(steps) and steps[at].type != rule.type:
            at += 1
        if at == len(steps):
            steps.append(_Step(rule.type))
        steps[at].tenants[rule.tenant] = value
        after[rule.tenant] = at + 1
    return steps


def shortest(rules: Iterable[Rule]) -> int:
    """Return the seconds that every row is kept; 0 where none goes."""
    return min((rule.seconds for rule in rules if rule.seconds != FOREVER), default=0)


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
