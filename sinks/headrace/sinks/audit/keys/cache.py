"""Data keys in memory: few, and not for long."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, final

from headrace.sinks.audit.keys.names import DataKey

CACHE_SECONDS: Final = 60.0
"""How long a key is used without asking the store: a shredded one is out of use by then."""
MOST: Final = 20_000
"""Keys kept: about 10 MB."""
_SWEEP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Cached:
    """A key and what it was unwrapped from: unchanged, it need not be unwrapped again."""

    key: DataKey
    content: bytes = field(repr=False)
    until: float


@final
class Cache:
    """The most recently used, by name. Any thread. ``now``: seconds of a monotonic clock."""

    def __init__(self, now: Callable[[], float], most: int = MOST) -> None:
        self._now = now
        self._most = most
        self._entries: OrderedDict[str, Cached] = OrderedDict()
        self._lock = threading.Lock()
        self._swept = now()

    def get(self, name: str) -> Cached | None:
        """Return an entry, a stale one too: see :meth:`fresh`."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None:
                self._entries.move_to_end(name)
            return entry

    def fresh(self, entry: Cached) -> bool:
        return self._now() < entry.until

    def put(self, name: str, key: DataKey, content: bytes, asked: float) -> None:
        """Keep what the store said when it was asked at ``asked``."""
        with self._lock:
            self._entries[name] = Cached(key, content, asked + CACHE_SECONDS)
            self._entries.move_to_end(name)
            if len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def sweep(self) -> None:
        """Let go what is stale: a key that nobody asks for again must not stay in memory."""
        with self._lock:
            now = self._now()
            if now - self._swept < _SWEEP_SECONDS:
                return
            self._swept = now
            for name in [name for name, entry in self._entries.items() if entry.until <= now]:
                del self._entries[name]

    def forget(self, key_id: str) -> None:
        with self._lock:
            for name in [name for name, one in self._entries.items() if one.key.id == key_id]:
                del self._entries[name]
