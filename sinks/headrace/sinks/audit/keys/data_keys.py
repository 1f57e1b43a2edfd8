"""Data keys: made where they are missing, read, shredded; and the pseudonyms."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Collection, Iterator
from typing import Final, final

import orjson

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys.cache import Cache, Cached
from headrace.sinks.audit.keys.errors import KeysError, MissingKeyError, ShreddedError
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.lanes import LANES, each
from headrace.sinks.audit.keys.master import LENGTH, MasterKey
from headrace.sinks.audit.keys.names import (
    PSEUDONYMS,
    DataKey,
    KeyName,
    id_at,
    path_of,
    paths_of,
)
from headrace.sinks.audit.keys.record import Record, Tombstone, decode
from headrace.sinks.audit.keys.store import KeyStore

_PSEUDONYM_BYTES: Final = 16


@final
class DataKeys:
    """Blocking, safe from any thread and with any number of processes on one store.

    Everything raises :class:`KeysError`, and :class:`Retryable` where a server does not answer.
    Making one raises :class:`SettingsError` where the store was never initialised. Python cannot
    wipe memory: a key that was let go may stay in it until it is written over.
    """

    def __init__(
        self,
        store: KeyStore,
        ring: KeyRing,
        *,
        lanes: int = LANES,
        clock: Callable[[], float] = time.time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """``lanes``: how many calls of the store and the master key at once."""
        self.where = store.where
        self.ring = ring
        self._store = store
        self.lanes = lanes
        self._clock = clock
        self._now = now
        self._cache = Cache(now)
        self._secret = self._pseudonyms()

    def pseudonym(self, kind: str, tenant: str, value: str) -> str:
        """Return 32 hex digits for a user or a session (``kind``) of a tenant."""
        named = orjson.dumps([kind, tenant, value])
        return hmac.digest(self._secret, named, "sha256")[:_PSEUDONYM_BYTES].hex()

    def current(self, names: Collection[KeyName]) -> dict[KeyName, DataKey]:
        """Return the key that encrypts for each name now, made where there is none."""
        known = {name: self._cache.get(_slot(name)) for name in names}
        found = {
            name: one.key
            for name, one in known.items()
            if one is not None and self._cache.fresh(one)
        }
        stale = [(name, one) for name, one in known.items() if name not in found]
        found.update(each(self._newest, stale, self.lanes))
        self._cache.sweep()
        return found

    def by_id(self, key_id: str) -> bytes:
        """Return a key's 32 bytes. Raises :class:`ShreddedError`, :class:`MissingKeyError`."""
        cached = self._cache.get(key_id)
        if cached is not None and self._cache.fresh(cached):
            return cached.key.key
        asked = self._now()
        content, record = self._read(key_id)
        key = DataKey(key_id, self._opened(content, record, cached))
        self._cache.put(key_id, key, content, asked)
        self._cache.sweep()
        return key.key

    def ids_of(self, subject: str) -> list[str]:
        """Return the ids of a subject's keys, of every class, those that were shredded too."""
        return [key_id for path in self._store.paths(paths_of(subject)) if (key_id := id_at(path))]

    def ids(self) -> Iterator[str]:
        """Yield the id of all that the store has, of tombstones and the pseudonyms' secret too."""
        return (key_id for path in self._store.paths() if (key_id := id_at(path)))

    def record(self, key_id: str) -> Record:
        """Return what the store keeps of a key. Raises :class:`MissingKeyError`."""
        return self._read(key_id)[1]

    def shred(self, key_id: str) -> bool:
        """Destroy a key. False: it was shredded before (what was left of that is finished).

        Keys in other processes' memory live on for at most ``CACHE_SECONDS``.
        """
        if key_id == PSEUDONYMS:
            raise KeysError("the secret of the pseudonyms is nobody's key: it is not shredded")
        path = path_of(key_id)
        self._cache.forget(key_id)
        while True:
            content = self._content(key_id)
            done = _is_tombstone(key_id, content)
            stone = content if done else Tombstone(key_id, self._clock()).encode()
            if self._store.bury(path, content, stone):
                return not done

    def rewrap(self, new: MasterKey, told: Callable[[], None] = lambda: None) -> int:
        """Wrap every key by ``new``; return how many were wrapped by another.

        Interrupted, it is called again. ``told`` is called after each key, in any thread. Raises
        :class:`KeysError` at the end where some key could not be unwrapped: those stay as they are.
        """
        self.ring = self.ring.led_by(new)

        def one(key_id: str) -> bool | KeysError:
            try:
                return self._rewrap(key_id)
            except KeysError as error:
                return error
            finally:
                told()

        outcomes = each(one, self.ids(), self.lanes)
        failed = [one for one in outcomes if isinstance(one, KeysError)]
        if failed:
            raise KeysError(f"{len(failed):,} keys could not be wrapped anew: {failed[0]}")
        return sum(map(bool, outcomes))

    def _rewrap(self, key_id: str) -> bool:
        while True:
            content, record = self._read(key_id)
            if isinstance(record, Tombstone) or record.master == self.ring.current.id:
                return False
            again = self.ring.wrap(key_id, self.ring.unwrap(record))
            if self._store.replace(path_of(key_id), content, again.encode()):
                return True

    def _newest(self, asked_for: tuple[KeyName, Cached | None]) -> tuple[KeyName, DataKey]:
        name, cached = asked_for
        # Below a generation that was seen there are tombstones, and they stay.
        number = name.number_of(cached.key.id) if cached else 1
        while True:
            key_id, asked = name.generation(number), self._now()
            content = self._store.read(path_of(key_id))
            if content is None:
                cached = self._made(key_id)
                content = cached.content
            record = self._decoded(key_id, content)
            if isinstance(record, Tombstone):
                number += 1
                continue
            key = DataKey(key_id, self._opened(content, record, cached))
            self._cache.put(_slot(name), key, content, asked)
            return name, key

    def _made(self, key_id: str) -> Cached:
        """Make a key; where another process was first, return what it put there, without a key."""
        key = secrets.token_bytes(LENGTH)
        content = self.ring.wrap(key_id, key).encode()
        if not self._store.create(path_of(key_id), content):
            content, key = self._content(key_id), b""
        return Cached(DataKey(key_id, key), content, 0)

    def _pseudonyms(self) -> bytes:
        content = self._store.read(path_of(PSEUDONYMS))
        if content is None:
            raise SettingsError(f"no audit keys in {self.where}: run `headrace audit keys init`")
        return self._opened(content, self._decoded(PSEUDONYMS, content), None)

    def _opened(self, content: bytes, record: Record, known: Cached | None) -> bytes:
        """Unwrap a key, which costs a call of a KMS, unless it is known from the same content."""
        if isinstance(record, Tombstone):
            raise ShreddedError(record.id, record.shredded)
        if known is not None and known.content == content and known.key.key:
            return known.key.key
        return self.ring.unwrap(record)

    def _read(self, key_id: str) -> tuple[bytes, Record]:
        content = self._content(key_id)
        return content, self._decoded(key_id, content)

    def _content(self, key_id: str) -> bytes:
        content = self._store.read(path_of(key_id))
        if content is None:
            raise MissingKeyError(f"the key {key_id} is not in {self.where}: restore a backup")
        return content

    def _decoded(self, key_id: str, content: bytes) -> Record:
        try:
            return decode(key_id, content)
        except MissingKeyError:
            # It may have been read while the tombstone was written over it.
            return decode(key_id, self._content(key_id))


def initialise(store: KeyStore, ring: KeyRing) -> bool:
    """Make the secret of the pseudonyms. False: it is there."""
    secret = ring.wrap(PSEUDONYMS, secrets.token_bytes(LENGTH))
    return store.create(path_of(PSEUDONYMS), secret.encode())


def _slot(name: KeyName) -> str:
    return f"{name.subject}.{name.audit_class}"


def _is_tombstone(key_id: str, content: bytes) -> bool:
    try:
        return isinstance(decode(key_id, content), Tombstone)
    except MissingKeyError:  # damaged: what is left of it is shredded all the same
        return False
