"""The search for what may be left, in every store that is reached from here."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from headrace.cli import kafka
from headrace.cli.archive import Archive
from headrace.cli.faults import CommandError
from headrace.cli.forget.blocks import NotBlocksError, unpacked
from headrace.cli.forget.needles import Needles
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams.audit import policy
from headrace.streams.erasure.order import Order
from headrace.streams.erasure.owner import Owner, owner_of
from headrace.streams.read_to import read_to

PIECE: Final = 8 << 20
OVERLAP: Final = 4096
"""Bytes of a piece that are looked at again with the next: longer than any name."""


@dataclass(slots=True)
class Searched:
    """What was looked at, how, and what was found."""

    store: str
    how: str
    looked_at: int
    """Files, rows or records."""
    found: list[str]
    """Where: a file, a table's column, a topic. The first few."""
    hits: int = 0
    others: int = 0
    """Rows, records or files of other tenants that hold the same text: other people's."""

    def as_data(self) -> dict[str, Any]:
        return asdict(self)


_MOST_NAMED: Final = 20


def files(
    name: str, directory: Path, needles: Needles, besides: Callable[[Path], bool]
) -> Searched:
    """Search every file under a directory: as it is, and unpacked where it is packed."""
    how = "every byte of every file; parts of ClickHouse and saved states unpacked, too"
    searched = Searched(name, how, 0, [])
    for path in sorted(directory.rglob("*")):
        if not path.is_file() or path.is_symlink() or besides(path):
            continue
        try:
            hit = any(needles.inside(piece) for piece in _contents(path))
        except FileNotFoundError:
            continue
        searched.looked_at += 1
        if hit:
            _note(searched, str(path.relative_to(directory)))
    return searched


def _contents(path: Path) -> Iterator[bytes]:
    yield from _pieces(path)
    if path.suffix in {".bin", ".cidx", ".idx"}:
        try:
            before = b""
            for block in unpacked(path):
                yield before[-OVERLAP:] + (block or b"")
                before = block or b""
        except NotBlocksError:
            return
    elif path.suffix == ".state":
        yield zlib.decompress(path.read_bytes())


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        before = b""
        while piece := file.read(PIECE):
            yield before + piece
            before = piece[-OVERLAP:]


def archive_rows(archive: Archive, needles: Needles, tenant: str) -> list[Searched]:
    """Read every column that can hold text, of every table of ours and of the server's own logs."""
    columns = archive.rows(
        "SELECT database, table, groupArray((name, type)) AS columns FROM system.columns"
        " WHERE (database, table) IN (SELECT database, name FROM system.tables"
        "   WHERE engine LIKE '%MergeTree' AND (database = currentDatabase()"
        "     OR database = 'system' AND name LIKE '%_log'))"
        " AND default_kind != 'ALIAS' GROUP BY database, table ORDER BY database, table"
    )
    return [_rows(archive, needles, tenant, **row) for row in columns]


def _rows(
    archive: Archive,
    needles: Needles,
    tenant: str,
    *,
    database: str,
    table: str,
    columns: list[tuple[str, str]],
) -> Searched:
    name = table if database != "system" else f"system.{table}"
    searched = Searched(f"ClickHouse {name}", "every row, every column of text, by query", 0, [])
    texts = {column: _as_text(column, kind) for column, kind in columns if _has_text(kind)}
    of_tenant = "tenant = {tenant:String}" if "tenant" in texts else "1"
    counts = [
        f"countIf({condition} AND match({text}, {{pattern:String}})) AS {letter}{number}"
        for number, text in enumerate(texts.values())
        for letter, condition in (("c", of_tenant), ("o", f"NOT ({of_tenant})"))
    ]
    query = f"SELECT {', '.join(['count() AS n', *counts])} FROM {database}.`{table}`"
    (row,) = archive.rows(query, {"pattern": needles.pattern, "tenant": tenant})
    searched.looked_at = int(row["n"])
    for number, column in enumerate(texts):
        searched.others += int(row[f"o{number}"])
        hits = int(row[f"c{number}"])
        if hits:
            _note(searched, f"{name}.{column}", hits)
    return searched


def _has_text(kind: str) -> bool:
    return "String" in kind and not kind.startswith("AggregateFunction")


def _as_text(column: str, kind: str) -> str:
    quoted = f"`{column}`"
    plain = kind in {"String", "LowCardinality(String)"} or kind.startswith("FixedString")
    return f"toString({quoted})" if plain else f"toJSONString({quoted})"


async def topics_records(
    settings: Settings, names: Sequence[str], needles: Needles, order: Order
) -> list[Searched]:
    """Read topics from end to end: for the texts, and for what the order covers."""
    reading = (_topic(settings, name, needles, order) for name in names)
    return list(await asyncio.gather(*reading))


async def _topic(settings: Settings, name: str, needles: Needles, order: Order) -> Searched:
    topic = settings.topic(name)
    searched = Searched(f"Kafka {topic}", "every record, key, value and headers", 0, [])
    async with kafka.consumer(settings) as client:
        try:
            places = await kafka.partitions_of(client, topic)
        except CommandError:  # never made
            return searched
        client.assign(places)
        await client.seek_to_beginning(*places)
        async for record in read_to(client, await client.end_offsets(places)):
            searched.looked_at += 1
            owner = owner_of(record.value) if record.value else None
            if _mentions(record, needles) or _covers(order, owner):
                if owner is not None and owner.tenant != order.tenant:
                    searched.others += 1
                else:
                    _note(searched, f"{topic}/{record.partition}/{record.offset}")
    return searched


def _mentions(record: Any, needles: Needles) -> bool:
    headers = (value or b"" for _, value in record.headers)
    return needles.inside_text(b"\n".join((record.key or b"", record.value or b"", *headers)))


def _covers(order: Order, owner: Owner | None) -> bool:
    return (
        owner is not None
        and owner.tenant == order.tenant
        and order.covers(owner.session, owner.user)
    )


def all_topics(settings: Settings) -> list[str]:
    """Name the topics of headrace, without their prefix. Raises SettingsError."""
    every = topics.specs(partitions=1, retention_days=1, max_event_bytes=1)
    names = [spec.name for spec in every]
    if settings.audit.topic_per_class:
        names += map(topics.class_topic, policy.load(settings.audit.policy).classes)
    return names


def _note(searched: Searched, where: str, hits: int = 1) -> None:
    searched.hits += hits
    if len(searched.found) < _MOST_NAMED:
        searched.found.append(where)
