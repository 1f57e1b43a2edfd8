"""chDB, opened once a process with the rights that it grants to nobody to exceed.

The engine itself enforces most of what :mod:`.guard` promises: the role that a connection takes on
is granted what its user may read of the ``headrace`` database, the writer's to write it with the
harmless table engines, and none is granted a source (file, url, remote, s3, …) at all. A reader's
connection is ``readonly = 2`` on top.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from headrace.events.errors import SettingsError
from headrace.local.clickhouse import rights
from headrace.local.clickhouse.connection import Connection

DATABASE: Final = "headrace"


class Engine:
    """One chDB on one directory. Thread-safe: each connection is used by one thread at a time."""

    def __init__(
        self, data_dir: Path, *, memory: int, audit_tenants: Sequence[str] | None = None
    ) -> None:
        """Open the directory (made if need be), with ``memory`` bytes for the whole engine.

        ``audit_tenants``: whose evidence ``audit_reader`` may read; None: everyone's.

        Raises :class:`SettingsError` where another process has it open.
        """
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(data_dir)
        self._path = data_dir.resolve() / "data"
        config = rights.write_config(
            data_dir.resolve() / "config", self._path, memory=memory, audit_tenants=audit_tenants
        )
        # clickhouse-local takes a bare expression for a query; a server does not.
        self._options = {"config-file": str(config), "implicit_select": "0"}
        self._keep = self._connect({})  # the engine lives as long as its last connection
        self._keep.query(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        self.version = self.value("SELECT version()")
        self.timezone = self.value("SELECT timezone()")

    def value(self, sql: str) -> str:
        """Return the first line of a query's answer."""
        return self._keep.query(sql).data.decode().strip()

    def column(self, sql: str) -> list[str]:
        """Return the lines of a query's answer."""
        return self._keep.query(sql).data.decode().split("\n")[:-1]

    def connect(self, settings: dict[str, str]) -> Connection:
        """Open a connection of its own: a session's settings live in it."""
        connection = self._connect(settings)
        connection.query(f"USE {DATABASE}")
        return connection

    def _connect(self, settings: dict[str, str]) -> Connection:
        import chdb  # noqa: PLC0415 - half a gigabyte: only in this process, only when it runs

        try:
            connect: Any = chdb.connect
            made = connect(f"{self._path}?{urlencode({**self._options, **settings})}")
        except Exception as error:
            raise SettingsError(f"chDB cannot open {self._path}: {error}") from None
        return Connection(made)

    def close(self) -> None:
        """Close the engine: what was acknowledged is on disk."""
        self._keep.close()
        os.close(self._lock)


def _lock(data_dir: Path) -> int:
    handle = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise SettingsError(
            f"{data_dir} is in use by another process: stop it, or choose another --data-dir"
        ) from None
    return handle
