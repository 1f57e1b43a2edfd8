"""The marks of an order in ClickHouse's SQL, so that no statement ever names the person."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from headrace.streams.erasure.order import Kind, Order, message

_BLOCK: Final = 64
"""Bytes of a block of SHA-256."""
_INNER: Final = 0x36
_OUTER: Final = 0x5C


def mark_of(order: Order, kind: Kind, column: str) -> str:
    """Return an expression that is :meth:`Order.mark` of a column. Its key is in the text.

    HMAC by hand (RFC 2104): not every server has the function.
    """
    key = order.salt.ljust(_BLOCK, b"\0")
    inner = bytes(byte ^ _INNER for byte in key) + message(kind, order.tenant)
    outer = bytes(byte ^ _OUTER for byte in key)
    hashed = f"SHA256(concat(unhex('{inner.hex()}'), {column}))"
    return f"lower(hex(substring(SHA256(concat(unhex('{outer.hex()}'), {hashed})), 1, 16)))"


def is_user(order: Order) -> str:
    """Return a condition: the row names the person."""
    return f"(user != '' AND {_is_one_of(order, 'user', {order.user, *order.also})})"


def is_named(order: Order, name: str) -> str:
    """Return a condition: the row names the user of this mark."""
    return f"(user != '' AND {_is_one_of(order, 'user', (name,))})"


def is_session(order: Order, marks: Collection[str]) -> str:
    """Return a condition: the row is of one of these sessions."""
    if not marks:
        return "0"
    return f"({_is_one_of(order, 'session', marks)})"


def _is_one_of(order: Order, kind: Kind, marks: Collection[str]) -> str:
    listed = ", ".join(f"'{mark}'" for mark in sorted(marks))
    return f"{mark_of(order, kind, kind)} IN ({listed})"
