"""Sessions: connections that keep their settings between requests.

Not thread-safe: the event loop's thread asks, and a connection is used by one request at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from headrace.local.clickhouse.connection import Connection, quote
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.request import Query

MOST: Final = 256
"""Sessions kept; the one that was idle for longest goes first."""


@dataclass(slots=True)
class Session:
    """A connection and what the last request's URL laid over its own settings."""

    connection: Connection
    user: str
    busy: bool = True
    expires: float = 0.0
    overlay: dict[str, str] = field(default_factory=dict)
    before: dict[str, str | None] = field(default_factory=dict)
    """What the overlaid settings were; ``None``: the default."""

    def lay_over(self, settings: dict[str, str]) -> None:
        """Let the URL's settings hold for this request, over the session's own. Blocks."""
        if settings == self.overlay:
            return
        self.uncover()
        if settings:
            names = ", ".join(quote(name) for name in settings)
            sql = f"SELECT name, value, changed FROM system.settings WHERE name IN ({names})"
            rows = self.connection.query(sql, "JSONCompactEachRow").data.splitlines()
            self.before = {name: value if changed else None for name, value, changed in _rows(rows)}
            self.overlay = settings
            self.connection.set(settings)

    def uncover(self) -> None:
        """Put the session's own settings back. Blocks."""
        before, self.before, self.overlay = self.before, {}, {}
        for name, value in before.items():
            worth = "DEFAULT" if value is None else quote(value)
            self.connection.query(f"SET {name} = {worth}")


def _rows(lines: list[bytes]) -> list[tuple[str, str, bool]]:
    import orjson  # noqa: PLC0415 - one use

    return [(name, value, bool(changed)) for name, value, changed in map(orjson.loads, lines)]


class Sessions:
    """The sessions that are open, by user and name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._open: dict[tuple[str, str], Session] = {}
        self._coming: set[tuple[str, str]] = set()
        """Sessions whose connection is being made: their first request has them."""

    def find(self, query: Query) -> Session | None:
        """Take a session for a request; ``None`` where it must be made and given to ``add``.

        Until ``add`` or ``drop`` it is in use.

        Raises :class:`ClickHouseError`: 373 where it is in use, 372 where it must exist already.
        """
        key = query.user, query.session_id or ""
        found = self._open.get(key)
        if found is None and key not in self._coming:
            if query.session_check:
                raise ClickHouseError(
                    372, f"Session {query.session_id} not found", "SESSION_NOT_FOUND"
                )
            self._coming.add(key)
            return None
        if found is None or found.busy:
            raise ClickHouseError(
                373,
                f"Session {query.session_id} is locked by a concurrent client",
                "SESSION_IS_LOCKED",
            )
        found.busy = True
        return found

    def add(self, query: Query, session: Session) -> None:
        key = query.user, query.session_id or ""
        self._coming.discard(key)
        self._open[key] = session

    def release(self, query: Query, session: Session) -> None:
        """Give a session back: it lives for the request's ``session_timeout`` from now."""
        session.busy = False
        session.expires = self._clock() + query.session_timeout

    def drop(self, query: Query) -> None:
        """Forget a session whose connection is no longer good."""
        key = query.user, query.session_id or ""
        self._coming.discard(key)
        self._open.pop(key, None)

    def expired(self) -> list[Connection]:
        """Forget what has timed out or is too much, and return the connections to close."""
        now = self._clock()
        idle = [(s.expires, key) for key, s in self._open.items() if not s.busy]
        idle.sort()
        over = len(self._open) - MOST
        gone = [key for at, (expires, key) in enumerate(idle) if expires <= now or at < over]
        return [self._open.pop(key).connection for key in gone]

    def close(self) -> list[Connection]:
        """Forget all and return the connections to close."""
        gone = [session.connection for session in self._open.values()]
        self._open.clear()
        return gone
