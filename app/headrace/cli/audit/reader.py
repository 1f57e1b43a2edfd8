"""Reading evidence in ClickHouse, as the one user that may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from headrace.cli import archive
from headrace.cli.archive import Archive
from headrace.events.errors import SettingsError
from headrace.events.settings import ClickHouseSettings, Settings

USER = "audit_reader"


@contextmanager
def connect(settings: Settings) -> Iterator[Archive]:
    """Connect as ``audit_reader``. Raises SettingsError or CommandError."""
    found = replace(settings, clickhouse=ClickHouseSettings(url_of(settings)))
    with archive.connect(found) as opened:
        yield opened


def url_of(settings: Settings) -> str:
    """Return ``HEADRACE_AUDIT_CLICKHOUSE_URL``, else the local stack's. Raises SettingsError."""
    if settings.audit.clickhouse_url:
        return settings.audit.clickhouse_url
    if not is_local(settings):
        raise SettingsError(
            f"evidence needs a credential of its own: set HEADRACE_AUDIT_CLICKHOUSE_URL to that of "
            f"{USER} (`headrace audit roles` makes the user)"
        )
    path = settings.state_dir / "credentials.json"
    try:
        password = orjson.loads(path.read_bytes())[USER]
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{path} has no password of {USER}, or may not be read: restart `headrace up`"
        ) from None
    address = urlsplit(settings.need_clickhouse().url).netloc.rpartition("@")[2]
    return f"http://{USER}:{password}@{address}/headrace"


def is_local(settings: Settings) -> bool:
    """Whether the archive is that of the local stack, whose server knows its own users."""
    try:
        stack = orjson.loads((settings.state_dir / "stack.json").read_bytes())
        return bool(stack["clickhouse"] == settings.need_clickhouse().url)
    except (OSError, ValueError, KeyError, TypeError):
        return False
