"""Compare the server's TTLs with a policy, and set those that differ.

Nothing is altered where nothing differs. A changed TTL makes the server reckon anew when rows of
each part go, from the columns that the TTL names; no part is written anew for it, and the rows go
with later merges.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.connection import connect, database_of
from headrace.sinks.schema import TIMEOUT_SECONDS, filled
from headrace.streams.retention.policy import Policy, Rule
from headrace.streams.retention.ttl import KEPT, Kept, shortest, ttl

LEDGER: Final = "retention_ledger"
RECKON_ONLY: Final = "materialize_ttl_recalculate_only = 1"
SYNTAX: Final = 62
SIZE: Final = "max_query_size"
TOO_LARGE: Final = frozenset({167, 168, 306})
"""TOO_DEEP_AST, TOO_BIG_AST, TOO_DEEP_RECURSION."""
TOO_MUCH: Final = (
    "HEADRACE_RETENTION says more than ClickHouse takes as one TTL (256 KiB of it, some thousand"
    " tenants): say under [default] what holds for most, or raise max_query_size of its user"
)
_TABLES: Final = """
SELECT name, engine_full FROM system.tables
WHERE database = {database:String} AND name IN {names:Array(String)}
"""
_HEAD: Final = "ALTER TABLE t (MODIFY TTL "


class RetentionError(HeadraceError):
    """ClickHouse refused it. The message names the table and what the server said."""


@dataclass(frozen=True, slots=True)
class Change:
    """One table: what the server has, and what the policy says."""

    kept: Kept
    rules: tuple[Rule, ...]
    before: str
    """The server's TTL, as it writes it; nothing: rows are kept for good."""
    after: str
    """The policy's, written the same way."""
    reckons_only: bool
    """Whether a new TTL leaves the parts as they are."""

    @property
    def differs(self) -> bool:
        return self.before != self.after


def compare(settings: ClickHouseSettings, policy: Policy) -> list[Change]:
    """Compare each table that is there (blocking). Needs only reading; raises as :func:`apply`."""
    with _client(settings) as client:
        return _compare(client, database_of(settings), policy)


def apply(settings: ClickHouseSettings, policy: Policy) -> list[Change]:
    """Set what differs (blocking); return it.

    Raises :class:`RetentionError` where the server refuses, :class:`Retryable` where it is away.
    """
    with _client(settings) as client:
        changes = [one for one in _compare(client, database_of(settings), policy) if one.differs]
        for change in changes:
            _remember(client, change)
            for statement in statements(change, settings):
                client.command(statement)
        return changes


@contextmanager
def _client(settings: ClickHouseSettings) -> Iterator[Client]:
    try:
        client = connect(settings, timeout=TIMEOUT_SECONDS)
    except DatabaseError as error:
        if error.code is not None:
            raise RetentionError(f"ClickHouse refused the connection: {_line(error)}") from None
        raise Retryable(f"ClickHouse is away: {_line(error)}") from None
    try:
        yield client
    except ClickHouseError as error:
        if _is_too_much(error):
            raise RetentionError(TOO_MUCH) from None
        raise RetentionError(f"ClickHouse refuses the retention: {_line(error)}") from None
    finally:
        client.close()


def _is_too_much(error: ClickHouseError) -> bool:
    code = error.code if isinstance(error, DatabaseError) else None
    return code in TOO_LARGE or (code == SYNTAX and SIZE in str(error))


def _compare(client: Client, database: str, policy: Policy) -> list[Change]:
    bound = {"database": database, "names": [kept.table for kept in KEPT]}
    there: dict[str, str] = {
        str(name): str(engine) for name, engine in client.query(_TABLES, bound).result_rows
    }
    found = []
    for kept in KEPT:
        if kept.table not in there:
            continue
        engine, rules = there[kept.table], tuple(policy.rules(kept.name))
        after = _as_written(client, ttl(kept, rules))
        found.append(Change(kept, rules, _ttl_of(engine), after, RECKON_ONLY in engine))
    return found


def statements(change: Change, settings: ClickHouseSettings) -> Iterator[str]:
    """Yield what is to be run."""
    alter = filled(f"ALTER TABLE {{database}}.{change.kept.table} {{on_cluster}}", settings)
    if not change.after:
        yield f"{alter} REMOVE TTL"
        return
    if not change.reckons_only:
        yield f"{alter} MODIFY SETTING {RECKON_ONLY}"
    yield f"{alter} MODIFY TTL {change.after}"


def _remember(client: Client, change: Change) -> None:
    """Write the TTL down before it is set: what it takes is then never taken for a loss."""
    if change.after:
        row = [change.kept.table, change.after, shortest(change.rules)]
        client.insert(LEDGER, [row], column_names=["name", "ttl", "shortest"])


def _as_written(client: Client, ttl_: str) -> str:
    """Return a TTL as the server writes it."""
    if not ttl_:
        return ""
    query = "SELECT formatQuerySingleLine({query:String})"
    bound = {"query": f"ALTER TABLE t MODIFY TTL {ttl_}"}
    written: str = client.query(query, bound).result_rows[0][0]
    return written.removeprefix(_HEAD).removesuffix(")")


def _ttl_of(engine: str) -> str:
    """Return the TTL of a table's engine, which stands between its keys and its settings."""
    found = engine.partition(" TTL ")[2]
    return found.rpartition(" SETTINGS ")[0] or found


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]
