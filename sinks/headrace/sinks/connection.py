"""How this package reaches ClickHouse: one place for addresses, timeouts and credentials."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from headrace.events.errors import SettingsError
from headrace.events.settings import ClickHouseSettings

CONNECT_SECONDS = 5
"""A server that does not take a connection within this is away; the caller tries again."""

DEFAULT_DATABASE = "headrace"


def database_of(settings: ClickHouseSettings) -> str:
    """Return the database that the URL names, else ``headrace``."""
    name = unquote(urlsplit(settings.url).path.strip("/")) or DEFAULT_DATABASE
    if not name.replace("_", "").isalnum():
        raise SettingsError(
            "HEADRACE_CLICKHOUSE_URL names a database with other than letters, digits and _"
        )
    return name


def connect(
    settings: ClickHouseSettings, *, database: str | None = None, timeout: int = 60
) -> Client:
    """Open a client (blocking). ``timeout`` bounds each answer in seconds.

    Raises clickhouse-connect's errors, which never hold the password. Not thread-safe.
    """
    url = urlsplit(settings.url)
    secure = url.scheme == "https"
    return clickhouse_connect.get_client(
        host=url.hostname or "127.0.0.1",
        port=url.port or (8443 if secure else 8123),
        secure=secure,
        username=unquote(url.username or "default"),
        password=unquote(url.password or ""),
        database=database_of(settings) if database is None else database,
        connect_timeout=CONNECT_SECONDS,
        send_receive_timeout=timeout,
        # A session would make the server refuse a second query while the first is still running.
        autogenerate_session_id=False,
        # Retrying is the caller's: it knows what is safe to send twice.
        query_retries=0,
        compress=False,
        client_name="headrace",
        # Errors are classified by their code, and refused lines by the server's own words.
        show_clickhouse_errors=True,
    )
