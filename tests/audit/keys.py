"""Data keys that every process derives from one secret: what the split needs of a key store."""

from __future__ import annotations

import hmac
import threading
from collections import Counter
from collections.abc import Collection

from headrace.sinks.audit.keys import DataKey, KeyName, ShreddedError

SECRET = b"tests"


class DerivedKeys:
    """Safe from any thread. A shredded key is followed by the next generation."""

    def __init__(self) -> None:
        self._shredded = Counter[KeyName]()
        self._lock = threading.Lock()
        self.asked: list[set[KeyName]] = []
        """What each call asked for."""

    def pseudonym(self, kind: str, tenant: str, value: str) -> str:
        return _derived(kind, tenant, value)[:16].hex()

    def current(self, names: Collection[KeyName]) -> dict[KeyName, DataKey]:
        with self._lock:
            self.asked.append(set(names))
            return {name: self._key(name, self._shredded[name] + 1) for name in names}

    def shred(self, name: KeyName) -> None:
        with self._lock:
            self._shredded[name] += 1

    def by_id(self, key_id: str) -> bytes:
        subject, audit_class, generation = key_id.split(".")
        if int(generation) <= self._shredded[KeyName(subject, audit_class)]:
            raise ShreddedError(key_id, 1_764_000_000.0)
        return _derived(key_id)

    def _key(self, name: KeyName, generation: int) -> DataKey:
        key_id = f"{name.subject}.{name.audit_class}.{generation}"
        return DataKey(key_id, _derived(key_id))


def _derived(*parts: str) -> bytes:
    return hmac.digest(SECRET, "\0".join(parts).encode(), "sha256")
