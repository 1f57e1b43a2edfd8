"""What many tests need."""

from __future__ import annotations

import asyncio
import inspect
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def wait_until(
    condition: Callable[[], Awaitable[T]],
    timeout: float = ...,
    *,
    interval: float = ...,
    what: str = ...,
) -> T: ...
@overload
async def wait_until(
    condition: Callable[[], T],
    timeout: float = ...,
    *,
    interval: float = ...,
    what: str = ...,
) -> T: ...
async def wait_until(
    condition: Callable[[], Any],
    timeout: float = 30.0,
    *,
    interval: float = 0.05,
    what: str = "",
) -> Any:
    """Poll until the condition (plain or async) is truthy, and return what it returned.

    Fails the test after ``timeout`` seconds, naming ``what`` (default: the condition's name) and
    the last value. The timeout bounds a broken test; it is never an expectation.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(_not_met(what or condition, timeout, value))
        await asyncio.sleep(interval)


def wait_until_sync(
    condition: Callable[[], T], timeout: float = 30.0, *, interval: float = 0.05, what: str = ""
) -> T:
    """Poll until the condition is truthy: :func:`wait_until` for tests without a loop."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(_not_met(what or condition, timeout, value))
        time.sleep(interval)
    return value


def unique(prefix: str = "t") -> str:
    """Make a name that no other test uses (topics, groups, tenants)."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def _not_met(what: object, timeout: float, value: object) -> str:
    name = what if isinstance(what, str) else getattr(what, "__qualname__", repr(what))
    return f"{name}: not met within {timeout:g} s; the last value was {value!r}"
