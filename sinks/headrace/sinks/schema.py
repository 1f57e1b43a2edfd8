"""The tables and views in ClickHouse, as numbered migrations.

Each file under ``migrations/`` is SQL that may run twice and from two places at once (IF NOT EXISTS
or OR REPLACE throughout), so no lock is needed: what has been applied is remembered to save work
and to tell people, not for safety.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib import resources

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from headrace.events.errors import HeadraceError, Retryable, SettingsError
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.connection import connect, database_of

TIMEOUT_SECONDS = 180
"""ON CLUSTER waits for every replica; ClickHouse itself gives up after 180 s."""
SETTINGS = {"mutations_sync": 0}
"""What rewrites parts goes on in the background, for as long as a large archive takes."""
ALONE = SETTINGS | {"alter_sync": 0}
"""Nor is waited for parts that lose an index, which a merge may hold. Replicas are waited for: what
follows needs what an ALTER brought."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    checksum: str
    """SHA-256 of the file."""
    statements: tuple[str, ...]
    """With placeholders: {database}, {on_cluster}, {replacing}, {aggregating}.

    ``{replacing}(column)`` keeps the row with the greatest ``column``. It holds for replicated
    tables too: where no path comes first, ClickHouse takes its own.
    """


@dataclass(frozen=True, slots=True)
class MigrationStatus:
    """Whether a migration has been applied, and when."""

    number: int
    name: str
    applied_at: datetime | None
    changed: bool
    """The file differs from what was applied: the tables are of another version of headrace."""


class SchemaError(HeadraceError):
    """ClickHouse refused a migration. The message names the file and what the server said."""


def migrations() -> tuple[Migration, ...]:
    """Every migration of this version, in order."""
    return tuple(sorted(_read(), key=lambda migration: migration.number))


def apply(settings: ClickHouseSettings) -> list[Migration]:
    """Bring the server up to this version (blocking); return what had to be applied.

    Raises :class:`SchemaError` where the server refuses, :class:`Retryable` where it is away.
    """
    client = _client(settings)
    try:
        _prepare(client, settings)
        before = _applied(client, settings)
        done = []
        for migration in migrations():
            if before.get(migration.number, ("", None))[0] == migration.checksum:
                continue
            _run(client, settings, migration)
            done.append(migration)
        return done
    finally:
        client.close()


def status(settings: ClickHouseSettings) -> list[MigrationStatus]:
    """Compare the server with this version (blocking). Changes nothing, needs only reading."""
    client = _client(settings)
    try:
        before = _applied(client, settings)
    finally:
        client.close()
    result = []
    for migration in migrations():
        checksum, applied_at = before.get(migration.number, ("", None))
        changed = applied_at is not None and checksum != migration.checksum
        result.append(MigrationStatus(migration.number, migration.name, applied_at, changed))
    return result


def _client(settings: ClickHouseSettings) -> Client:
    try:
        # Not the URL's database: it may not be there yet.
        return connect(settings, database="default", timeout=TIMEOUT_SECONDS)
    except DatabaseError as error:
        if error.code is not None:
            raise SchemaError(f"ClickHouse refused the connection: {_line(error)}") from None
        raise Retryable(f"ClickHouse is away: {_line(error)}") from None


def _prepare(client: Client, settings: ClickHouseSettings) -> None:
    database = database_of(settings)
    names = client.query("SELECT name FROM system.databases").result_columns
    statements = []
    if not names or database not in names[0]:
        statements.append(f"CREATE DATABASE IF NOT EXISTS {database} {{on_cluster}}")
    statements.append(
        f"CREATE TABLE IF NOT EXISTS {database}.schema_migrations {{on_cluster}} ("
        "number UInt32, name String, checksum String,"
        " applied_at DateTime64(3, 'UTC') DEFAULT now64(3)"
        ") ENGINE = {replacing} ORDER BY number"
    )
    for statement in statements:
        _command(client, settings, statement, "the list of migrations")


def _applied(
    client: Client, settings: ClickHouseSettings
) -> dict[int, tuple[str, datetime | None]]:
    try:
        rows = client.query(
            "SELECT number, argMax(checksum, applied_at), max(applied_at)"
            f" FROM {database_of(settings)}.schema_migrations GROUP BY number"
        ).result_rows
    except DatabaseError as error:
        if error.code in (60, 81):  # UNKNOWN_TABLE, UNKNOWN_DATABASE: nothing was ever applied
            return {}
        raise SchemaError(f"the list of migrations cannot be read: {_line(error)}") from None
    return {number: (checksum, applied_at) for number, checksum, applied_at in rows}


def _run(client: Client, settings: ClickHouseSettings, migration: Migration) -> None:
    for statement in migration.statements:
        _command(client, settings, statement, f"{migration.number:04}_{migration.name}")
    client.insert(
        f"{database_of(settings)}.schema_migrations",
        [[migration.number, migration.name, migration.checksum]],
        column_names=["number", "name", "checksum"],
    )


def _command(client: Client, settings: ClickHouseSettings, statement: str, what: str) -> None:
    try:
        client.command(
            filled(statement, settings), settings=SETTINGS if settings.cluster else ALONE
        )
    except ClickHouseError as error:
        raise SchemaError(f"migration {what} failed: {_line(error)}") from None


def filled(statement: str, settings: ClickHouseSettings) -> str:
    """Return a statement with its placeholders filled. Raises :class:`SettingsError`."""
    cluster = settings.cluster
    if cluster is not None and not cluster.replace("_", "").replace("-", "").isalnum():
        raise SettingsError("HEADRACE_CLICKHOUSE_CLUSTER has other than letters, digits, - and _")
    replicated = "Replicated" if cluster else ""
    return (
        statement.replace("{database}", database_of(settings))
        .replace("{on_cluster}", f"ON CLUSTER `{cluster}`" if cluster else "")
        .replace("{replacing}", f"{replicated}ReplacingMergeTree")
        .replace("{aggregating}", f"{replicated}AggregatingMergeTree")
    )


def _read() -> Iterator[Migration]:
    for file in resources.files("headrace.sinks").joinpath("migrations").iterdir():
        if not file.name.endswith(".sql"):
            continue
        number, _, name = file.name[: -len(".sql")].partition("_")
        text = file.read_text(encoding="utf-8")
        statements = tuple(part for part in map(_statement, text.split(";\n")) if part)
        yield Migration(int(number), name, hashlib.sha256(text.encode()).hexdigest(), statements)


def _statement(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
