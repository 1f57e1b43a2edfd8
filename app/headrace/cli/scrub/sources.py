"""Where a trial's events come from: a file of lines, or the archive."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson

from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError

_EVENTS: Final = """
SELECT tenant, session, user, agent, trace, epoch, seq, ts, type, data
FROM events
WHERE ts >= {first:Float64} AND ({tenant:String} = '' OR tenant = {tenant:String})
ORDER BY ts DESC
LIMIT {limit:UInt64}
"""
_ALWAYS: Final = ("tenant", "session", "epoch", "seq", "ts", "type")
_FIELDS: Final = ("tenant", "session", "user", "agent", "trace", "epoch", "seq", "ts", "type")


def of_file(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file that are not empty. Raises :class:`CommandError`."""
    try:
        with path.open("rb") as lines:
            yield from (line.rstrip(b"\r\n") for line in lines if line.strip())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from None


def of_archive(
    archive: Archive, *, since: float, tenant: str | None, limit: int
) -> Iterator[bytes]:
    """Yield archived events as the lines that they were, the latest first."""
    parameters: dict[str, Any] = {
        "first": since,
        "tenant": tenant or "",
        "limit": limit,
    }
    for *values, data in archive.stream(_EVENTS, parameters):
        fields = dict(zip(_FIELDS, values, strict=True))
        known = {name: said for name, said in fields.items() if said or name in _ALWAYS}
        yield orjson.dumps(known)[:-1] + b',"data":' + data.encode() + b"}"
