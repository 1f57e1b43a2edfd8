"""The master keys that are known: the first wraps, each unwraps what it wrapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from headrace.sinks.audit.keys.errors import MasterKeyError
from headrace.sinks.audit.keys.master import MasterKey
from headrace.sinks.audit.keys.record import Wrapped


@final
class KeyRing:
    """Immutable; as safe as its master keys."""

    def __init__(self, masters: Sequence[MasterKey]) -> None:
        self.current = masters[0]
        self._masters = {master.id: master for master in masters}

    def led_by(self, master: MasterKey) -> KeyRing:
        """Return a ring that wraps by this key and unwraps by the former ones, too."""
        return KeyRing([master, *self._masters.values()])

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        return Wrapped(key_id, self.current.id, self.current.wrap(key_id, key))

    def unwrap(self, record: Wrapped) -> bytes:
        """Raises :class:`MasterKeyError` that says which key is asked for, and as ``unwrap``."""
        master = self._masters.get(record.master)
        if master is None:
            raise MasterKeyError(
                f"the key {record.id} is wrapped by the master key {record.master}, and the "
                f"settings give {', '.join(self._masters)}: add it behind the current one"
            )
        return master.unwrap(record.id, record.wrapped)
