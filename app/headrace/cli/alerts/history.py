"""What became of alerts, from the archive."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.streams.alerts.transition import Transition

_QUERY: Final = """
SELECT
    id, seq, rule, state, previous, severity, tenant, group_labels, labels, annotations, value,
    samples, threshold, comparison, toUnixTimestamp(pane) AS pane_s,
    toUnixTimestamp64Milli(starts_at) / 1000 AS starts_s,
    toUnixTimestamp64Milli(ends_at) / 1000 AS ends_s,
    toUnixTimestamp64Milli(at) / 1000 AS at_s, receivers
FROM alert_transitions
WHERE at >= fromUnixTimestamp64Milli({since_ms:Int64})
    AND (isNull({tenant:Nullable(String)}) OR tenant = {tenant:Nullable(String)})
    AND (isNull({rule:Nullable(String)}) OR rule = {rule:Nullable(String)})
ORDER BY at DESC, id, seq DESC
LIMIT {limit:UInt64}
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which transitions."""

    since_ms: int
    """Judged since, in ms since 1970."""
    tenant: str | None
    rule: str | None
    limit: int


def read(archive: Archive, asked: Asked) -> list[Transition]:
    """Return the transitions, the latest first. Raises CommandError."""
    return [_transition(row) for row in archive.rows(_QUERY, asdict(asked))]


def _transition(row: dict[str, Any]) -> Transition:
    row["pane"], row["starts_at"] = row.pop("pane_s"), row.pop("starts_s")
    row["ends_at"], row["at"] = row.pop("ends_s"), row.pop("at_s")
    row["receivers"] = tuple(row["receivers"])
    return Transition(group=row.pop("group_labels"), judged=row["pane"], **row)
