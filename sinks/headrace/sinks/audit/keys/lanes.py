"""Several calls at once: each waits some milliseconds for a server, or for a disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

LANES: Final = 16


def each(function: Callable[[T], R], items: Iterable[T], lanes: int) -> list[R]:
    """Return the function's results, in order. Raises what the first of them raised."""
    items = list(items)
    threads = min(lanes, len(items))
    if threads <= 1:
        return [function(item) for item in items]
    # Made for the call: threads that stay would not survive a fork.
    with ThreadPoolExecutor(threads, "headrace audit keys") as pool:
        return list(pool.map(function, items))
