"""What the server is asked to write: lines as the seed has them, or its own formats."""

from __future__ import annotations

from typing import Final

from headrace.cli.archive import Archive

FORMATS: Final = {"parquet": "Parquet", "arrow": "Arrow", "csv": "CSVWithNames"}
"""Our names of the server's formats."""
LINES: Final = "TSVRaw"
"""One column, its bytes as they are, a line feed behind each."""

# As the hook writes a line. What an event does not have is left out. A number that JSON has no word
# for is written as one too big: it is read as infinite, which is how it was archived; what is
# no number at all as "nan", which the archive takes for that. The layout of `data` may hold line
# breaks, which a line cannot: they become blanks.
JSONL: Final = r"""
SELECT concat(
    '{"v":', toString(v),
    ',"tenant":', toJSONString(tenant),
    ',"session":', toJSONString(session),
    if(user = '', '', concat(',"user":', toJSONString(user))),
    if(agent = '', '', concat(',"agent":', toJSONString(agent))),
    if(trace = '', '', concat(',"trace":', toJSONString(trace))),
    ',"epoch":', toJSONString(epoch),
    ',"seq":', toString(seq),
    ifNull(concat(',"turn":', toString(turn)), ''),
    ',"ts":', if(toString(ts) = '-0', '-0.0', toString(ts)),
    ',"type":', toJSONString(type),
    multiIf(
        isNull(duration_ms), '',
        isFinite(duration_ms), concat(',"duration_ms":', toString(assumeNotNull(duration_ms))),
        concat(',"duration_ms":',
            multiIf(isNaN(duration_ms), '"nan"', duration_ms > 0, '1e999', '-1e999'))),
    ',"data":', replaceAll(replaceAll(data, '\n', ' '), '\r', ' '),
    '}'
) AS line
FROM events_raw FINAL
WHERE {where}
ORDER BY tenant, session, epoch, seq, fingerprint
"""

_COLUMNS: Final = """
SELECT name, type FROM system.columns
WHERE database = currentDatabase() AND table = 'events' AND name != 'data_json'
ORDER BY position
"""
_FORMULA: Final = r"'^[=+\\-@\\t\\r]'"
"""How a cell begins that a spreadsheet would run."""


def lines(where: str) -> str:
    """Return the query of the lines, in the order of identity."""
    return JSONL.replace("{where}", where)


def rows(archive: Archive, where: str, *, safe: bool) -> str:
    """Return the query of the rows of view ``events``; ``safe``: no text begins as a formula."""
    columns = ", ".join(
        f"if(match(e.{name}, {_FORMULA}), concat('\\'', e.{name}), e.{name}) AS {name}"
        if safe and kind == "String"
        else f"e.{name} AS {name}"
        for name, kind in archive.stream(_COLUMNS)
    )
    chosen = f"SELECT * FROM events WHERE {where}"
    return f"SELECT {columns} FROM ({chosen}) AS e ORDER BY e.tenant, e.session, e.epoch, e.seq"
