"""Reading log records from the archive."""

from __future__ import annotations

from typing import Any, Final

from headrace.cli.archive import Archive
from headrace.cli.logs.choice import Choice
from headrace.cli.logs.record import Record, data_of

_FIELDS: Final = ("tenant", "session", "user", "agent", "epoch", "seq", "ts", "trace")
_LATEST: Final = """
SELECT {fields}, data
FROM logs
WHERE {conditions}
ORDER BY ts DESC, epoch DESC, seq DESC
LIMIT {{limit:UInt64}}
"""


def read(archive: Archive, choice: Choice, limit: int) -> list[Record]:
    """Return the latest records that are meant, the newest last."""
    conditions, parameters = choice.sql()
    query = _LATEST.format(fields=", ".join(_FIELDS), conditions=conditions)
    rows = archive.stream(query, {**parameters, "limit": limit})
    return [_record(*row) for row in rows][::-1]


def _record(*row: Any) -> Record:
    *known, data = row
    return Record(**dict(zip(_FIELDS, known, strict=True)), data=data_of(data))
