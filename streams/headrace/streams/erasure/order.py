"""A standing order: whose events are to be forgotten, without saying who that is.

A record of ``agent.erasures``: its key is ``<request>/<number>`` (a person may have more sessions
than one record holds), its value::

    {"v":1,"request":"f-0123456789ab","tenant":"acme","salt":"<32 hex>","user":"<32 hex>",
     "also":["<32 hex>",…],"sessions":["<32 hex>",…],"requested_at":1704067200.0}

The marks are HMAC-SHA256 under the order's own salt, cut to 128 bits. Whoever has the order can try
a name against it, and learns nothing without one; two orders' marks cannot be compared.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

import msgspec
import orjson

from headrace.events.errors import HeadraceError

VERSION: Final = 1
SALT_BYTES: Final = 16
MOST_SESSIONS: Final = 5_000
"""Sessions of one record: 175 KB."""

Kind = Literal["user", "session"]


class OrderError(HeadraceError):
    """A record of the topic is no order."""


def message(kind: Kind, tenant: str) -> bytes:
    """Return what stands before the name in what is marked."""
    return b"%b\0%b\0" % (kind.encode(), _bytes(tenant))


def mark(salt: bytes, kind: Kind, tenant: str, value: str) -> str:
    """Return the mark of a name: 32 hex digits."""
    return hmac.digest(salt, message(kind, tenant) + _bytes(value), hashlib.sha256)[:16].hex()


@dataclass(frozen=True, slots=True)
class Order:
    """Forget a user of a tenant, and sessions that were theirs alone."""

    request: str
    tenant: str
    salt: bytes
    user: str
    """The user's mark."""
    sessions: frozenset[str]
    """Marks."""
    requested_at: float
    """Seconds since 1970."""
    also: frozenset[str] = frozenset()
    """Marks of what scrubbing makes of the user: a dead letter that is sent again has that."""

    def mark(self, kind: Kind, value: str) -> str:
        return mark(self.salt, kind, self.tenant, value)

    def covers(self, session: str, user: str | None) -> bool:
        """Whether an event of the order's tenant is the person's. Names, not marks."""
        if user and self.mark("user", user) in {self.user, *self.also}:
            return True
        return bool(self.sessions) and self.mark("session", session) in self.sessions


def records(order: Order) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values that say an order, as many as its sessions need."""
    marks = sorted(order.sessions)
    for number, start in enumerate(range(0, max(len(marks), 1), MOST_SESSIONS)):
        part = replace(order, sessions=frozenset(marks[start : start + MOST_SESSIONS]))
        yield f"{order.request}/{number}".encode(), _encode(part)


def _encode(order: Order) -> bytes:
    return orjson.dumps(
        {
            "v": VERSION,
            "request": order.request,
            "tenant": order.tenant,
            "salt": order.salt.hex(),
            "user": order.user,
            "also": sorted(order.also),
            "sessions": sorted(order.sessions),
            "requested_at": order.requested_at,
        }
    )


class _Record(msgspec.Struct):
    request: str
    tenant: str
    salt: str
    user: str
    sessions: list[str]
    requested_at: float
    also: list[str] = msgspec.field(default_factory=list)


_record: Final = msgspec.json.Decoder(_Record).decode


def decode(value: bytes) -> Order:
    """Read a record's value. Raises :class:`OrderError`."""
    try:
        found = _record(value)
        salt = bytes.fromhex(found.salt)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
        raise OrderError(f"no order: {error}") from None
    return Order(
        found.request,
        found.tenant,
        salt,
        found.user,
        frozenset(found.sessions),
        found.requested_at,
        frozenset(found.also),
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
