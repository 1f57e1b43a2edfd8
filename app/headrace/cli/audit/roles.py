"""Who may read evidence: users, a role and row policies of ClickHouse."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from headrace.cli.archive import Archive, connect
from headrace.cli.faults import CommandError
from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.connection import database_of

ROLE: Final = "headrace_audit"
OTHERS: Final = "headrace_audit_others"
"""The row policy of everyone without the role: who may read the table reads all of it."""


@dataclass(frozen=True, slots=True)
class Roles:
    """A user who reads evidence."""

    user: str
    tenants: tuple[str, ...]
    """Whose evidence; none: everyone's."""
    password_sha256: str | None
    """None: the user is there, or is to be made by hand."""


def statements(settings: Settings, roles: Roles) -> list[str]:
    """Return what makes it so, safe to run twice: nobody reads before a policy says what.

    The policies stand on the table. The view runs with its reader's rights (SQL SECURITY INVOKER),
    so that they hold through it.
    """
    clickhouse = settings.need_clickhouse()
    database, user = database_of(clickhouse), _identifier(roles.user)
    on = f" ON CLUSTER {_identifier(clickhouse.cluster)}" if clickhouse.cluster else ""
    table = f"{database}.audit_raw"
    own = _identifier(f"{ROLE}_{roles.user}")
    digest = roles.password_sha256
    known = "" if digest is None else f" IDENTIFIED WITH sha256_hash BY {_text(digest)}"

    def policy(name: str, rows: str, whose: str) -> str:
        return (
            f"CREATE ROW POLICY OR REPLACE {name}{on} ON {table} FOR SELECT USING {rows} TO {whose}"
        )

    return [
        f"CREATE ROLE IF NOT EXISTS {ROLE}{on}",
        *([f"CREATE USER IF NOT EXISTS {user}{on}{known}"] if known else []),
        policy(OTHERS, "1", f"ALL EXCEPT {ROLE}"),
        policy(own, _rows(roles.tenants), user),
        f"GRANT{on} SELECT ON {table} TO {ROLE}",
        f"GRANT{on} SELECT ON {database}.audit TO {ROLE}",
        f"GRANT{on} {ROLE} TO {user}",
    ]


def asked(settings: Settings, user: str | None, tenants: Sequence[str]) -> Roles:
    """Return what is wanted. A user's password is that of ``HEADRACE_AUDIT_CLICKHOUSE_URL``."""
    url = urlsplit(settings.audit.clickhouse_url or "")
    known, password = unquote(url.username or ""), unquote(url.password or "")
    name = user or known or "audit_reader"
    own = password and name == known
    digest = hashlib.sha256(password.encode()).hexdigest() if own else None
    return Roles(name, tuple(dict.fromkeys(tenants)), digest)


def apply(settings: Settings, roles: Roles) -> None:
    """Run the statements as the user of ``HEADRACE_CLICKHOUSE_URL``. Blocks.

    Raises :class:`SettingsError` where the user is not there and no password is given, and
    :class:`CommandError` where the view would show everyone's evidence, or as the server says.
    """
    with connect(settings) as archive:
        _check_view(archive, database_of(settings.need_clickhouse()))
        if roles.password_sha256 is None and not _is_there(archive, roles.user):
            raise SettingsError(
                f"there is no user {roles.user}: set HEADRACE_AUDIT_CLICKHOUSE_URL with the name"
                " and the password that it is to have, or make it by hand"
            )
        for statement in statements(settings, roles):
            archive.command(statement)


def _check_view(archive: Archive, database: str) -> None:
    found = archive.rows(
        "SELECT create_table_query AS sql FROM system.tables"
        " WHERE database = {database:String} AND name = 'audit'",
        {"database": database},
    )
    if not found:
        raise CommandError("there is no view of evidence yet: run `headrace schema apply`")
    if "SQL SECURITY INVOKER" not in found[0]["sql"]:
        raise CommandError(
            "the view audit does not run with its reader's rights, so that no row policy would"
            " hold: run `headrace schema apply`"
        )


def _is_there(archive: Archive, user: str) -> bool:
    return bool(
        archive.rows("SELECT 1 FROM system.users WHERE name = {user:String}", {"user": user})
    )


def _rows(tenants: Sequence[str]) -> str:
    return f"tenant IN ({', '.join(map(_text, tenants))})" if tenants else "1"


def _identifier(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
