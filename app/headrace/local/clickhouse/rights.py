"""What the engine itself grants: written as ClickHouse's configuration before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from headrace.local.clickhouse.connection import quote

TABLE_ENGINES: Final = (
    "MergeTree",
    "ReplacingMergeTree",
    "SummingMergeTree",
    "AggregatingMergeTree",
    "CollapsingMergeTree",
    "VersionedCollapsingMergeTree",
    "CoalescingMergeTree",
    "Memory",
    "Null",
    "Buffer",
    "Merge",
    "Set",
    "Join",
    "Log",
    "TinyLog",
    "StripeLog",
    "GenerateRandom",
    "View",
    "MaterializedView",
)
"""The engines that a table may have: their data stays in the data directory or in memory."""

_ON_DATABASE: Final = (
    "SELECT, INSERT, SHOW, OPTIMIZE, TRUNCATE, CREATE DATABASE, CREATE TABLE, CREATE VIEW,"
    " DROP TABLE, DROP VIEW, ALTER TABLE, ALTER VIEW"
)
_READING: Final = (
    "GRANT SHOW ON default.*",  # empty, and where clients without a database begin
    "GRANT SELECT, SHOW ON system.*",
    "GRANT SELECT, SHOW ON INFORMATION_SCHEMA.*",
    "GRANT SELECT, SHOW ON information_schema.*",
    "GRANT CREATE TEMPORARY TABLE, CREATE ARBITRARY TEMPORARY TABLE ON *.*",
)
_OF_OTHERS: Final = (
    *("processes", "user_processes", "errors", "query_cache", "user_query_log", "query_log"),
    *("text_log", "stack_trace", "session_query_ids", "schema_inference_cache"),
    *("background_schedule_pool", "asynchronous_loader", "moves"),
)
"""Tables of ``system`` that tell what others ask: to the engine all of us are one user. Readers
find them empty; a grant of theirs would not count, since all of ``system`` is open to everyone."""
_IS_WRITER: Final = "has(currentRoles(), 'writer')"
_EVIDENCE: Final = "audit"
"""How the names of all tables and views of evidence begin."""

_CONFIG: Final = """<clickhouse>
  <path>{path}</path>
  <users_config>{users}</users_config>
  <user_files_path>{void}</user_files_path>
  <user_scripts_path>{void}</user_scripts_path>
  <format_schema_path>{void}</format_schema_path>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>4</background_schedule_pool_size>
  <mark_cache_size>67108864</mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
</clickhouse>
"""

_USERS: Final = """<clickhouse>
  <profiles><default>
    <constraints>
      <max_memory_usage><min>1</min><max>{memory}</max></max_memory_usage>
      <max_execution_time><min>1</min><max>3600</max></max_execution_time>
    </constraints>
  </default></profiles>
  <quotas><default/></quotas>
  <roles>
{roles}
  </roles>
  <users><default>
    <password></password>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>
      <query>GRANT {names}</query>
    </grants>
    <databases>
      <system>{system}</system>
      <headrace>{headrace}</headrace>
    </databases>
  </default></users>
</clickhouse>
"""


def write_config(
    directory: Path, data: Path, *, memory: int, audit_tenants: Sequence[str] | None = None
) -> Path:
    """Write the configuration and return its path. ``memory``: bytes for the whole engine.

    ``audit_tenants``: whose evidence ``audit_reader`` may read; None: everyone's. The engine knows
    one user, who has each of ours as a role: a connection takes on one of them.
    """
    void = directory / "empty"  # where the engine may look for files: there are none
    void.mkdir(parents=True, exist_ok=True, mode=0o700)
    users = directory / "users.xml"
    grants = roles()
    only = {} if audit_tenants is None else {"audit_raw": _only(audit_tenants)}
    users.write_text(
        _USERS.format(
            roles="\n".join(_role(name, found) for name, found in grants.items()),
            names=", ".join(grants),
            system=_policies(dict.fromkeys(_OF_OTHERS, _IS_WRITER)),
            headrace=_policies(only),
            memory=memory,
        )
    )
    config = directory / "config.xml"
    config.write_text(
        _CONFIG.format(
            path=escape(str(data)), users=escape(str(users)), void=escape(str(void)), memory=memory
        )
    )
    return config


def roles() -> dict[str, list[str]]:
    """Return what each user is granted, by name. A later line takes from an earlier one."""
    reading = [*_READING, "GRANT SELECT, SHOW ON headrace.*"]
    # A materialised view's own table is as the view, and has a name of its own.
    hidden = (f"{_EVIDENCE}*", "`.inner`*", "`.tmp`*")
    return {
        "reader": [*reading, *(f"REVOKE SELECT, SHOW ON headrace.{name}" for name in hidden)],
        "audit_reader": reading,
        "writer": [
            *_READING,
            f"GRANT {_ON_DATABASE} ON headrace.*",
            "GRANT KILL QUERY ON *.*",
            "GRANT SYSTEM VIEWS, SYSTEM MERGES, SYSTEM CLEANUP ON headrace.*",
            *(f"GRANT TABLE ENGINE ON {engine}" for engine in TABLE_ENGINES),
        ],
    }


def _role(name: str, grants: Iterable[str]) -> str:
    lines = "".join(f"<query>{escape(grant)}</query>" for grant in grants)
    return f"    <{name}><grants>{lines}</grants></{name}>"


def _only(tenants: Sequence[str]) -> str:
    """Return the row policy: the engine's one user is restricted where it has the one role."""
    named = ", ".join(map(quote, tenants))
    among = f"tenant IN ({named})" if named else "0"
    return f"{_IS_WRITER} OR NOT has(currentRoles(), 'audit_reader') OR {among}"


def _policies(filters: Mapping[str, str]) -> str:
    return "".join(
        f"<{table}><filter>{escape(rows)}</filter></{table}>" for table, rows in filters.items()
    )
