"""What the engine itself grants: written as ClickHouse's configuration before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

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
  <users><default>
    <password></password>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>
{grants}
    </grants>
  </default></users>
</clickhouse>
"""


def write_config(directory: Path, data: Path, *, memory: int) -> Path:
    """Write the configuration and return its path. ``memory``: bytes for the whole engine."""
    void = directory / "empty"  # where the engine may look for files: there are none
    void.mkdir(parents=True, exist_ok=True, mode=0o700)
    users = directory / "users.xml"
    grants = [
        f"GRANT {_ON_DATABASE} ON headrace.*",
        "GRANT SHOW ON default.*",  # empty, and where clients without a database begin
        "GRANT SELECT, SHOW ON system.*",
        "GRANT SELECT, SHOW ON INFORMATION_SCHEMA.*",
        "GRANT SELECT, SHOW ON information_schema.*",
        "GRANT CREATE TEMPORARY TABLE, CREATE ARBITRARY TEMPORARY TABLE ON *.*",
        "GRANT KILL QUERY ON *.*",
        "GRANT SYSTEM VIEWS, SYSTEM MERGES, SYSTEM CLEANUP ON headrace.*",
        *(f"GRANT TABLE ENGINE ON {engine}" for engine in TABLE_ENGINES),
    ]
    lines = "\n".join(f"      <query>{escape(grant)}</query>" for grant in grants)
    users.write_text(_USERS.format(grants=lines, memory=memory))
    config = directory / "config.xml"
    config.write_text(
        _CONFIG.format(
            path=escape(str(data)), users=escape(str(users)), void=escape(str(void)), memory=memory
        )
    )
    return config
