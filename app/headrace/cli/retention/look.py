"""What the archive's tables hold, by the rules of a policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.streams.retention.apply import Change
from headrace.streams.retention.policy import FOREVER, Rule
from headrace.streams.retention.ttl import Kept, chosen

_DISK: Final = """
SELECT sum(bytes_on_disk) AS bytes FROM system.parts
WHERE active AND database = currentDatabase() AND table = {table:String}
"""


@dataclass(frozen=True, slots=True)
class Held:
    """The rows that one rule is about."""

    name: str
    """As a policy calls it."""
    table: str
    rule: Rule
    rows: int
    """On disk: what was sent twice counts twice until it is merged."""
    bytes: int
    """On disk, by the rule's share of the table's text: about."""
    oldest: datetime | None
    """When the span of its oldest row began."""
    due: int
    """Rows whose span has ended: they go with a later merge."""

    @property
    def next_goes(self) -> datetime | None:
        """When its oldest row is due, None where it never is."""
        if self.oldest is None or self.rule.seconds == FOREVER:
            return None
        return self.oldest + timedelta(seconds=self.rule.seconds)


def look(archive: Archive, change: Change) -> Iterator[Held]:
    """Yield what each rule of a table holds, in their order. Reads every row's size."""
    kept, rules = change.kept, change.rules
    (disk,) = archive.rows(_DISK, {"table": kept.table})
    found = {row["rule"]: row for row in archive.rows(_query(kept, rules))}
    text = sum(row["text"] for row in found.values())
    for number, rule in enumerate(rules):
        row: dict[str, Any] = found.get(number, {"rows": 0, "text": 0, "oldest": None, "due": 0})
        oldest = row["oldest"]
        yield Held(
            name=kept.name,
            table=kept.table,
            rule=rule,
            rows=row["rows"],
            bytes=round(disk["bytes"] * row["text"] / text) if text else 0,
            oldest=oldest and oldest.replace(tzinfo=timezone.utc),
            due=row["due"],
        )


def _query(kept: Kept, rules: tuple[Rule, ...]) -> str:
    number = chosen(rules, range(len(rules)))
    spans = ", ".join(str(rule.seconds) for rule in rules)
    text = f"length({kept.text})" if kept.text else "1"
    return f"""
        SELECT rule, count() AS rows, sum(text) AS text, min(since) AS oldest,
            countIf(seconds > 0 AND since + seconds <= now()) AS due
        FROM (
            SELECT {number} AS rule, [{spans}][rule + 1] AS seconds, {kept.since} AS since,
                {text} AS text
            FROM {kept.table}
            WHERE {kept.only or "1"}
        )
        GROUP BY rule
    """
