"""The master keys that are known: the first wraps, each unwraps what it wrapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from headrace.sinks.audit.keys.errors import MasterKeyError
from headrace.sinks.audit.keys.master import MasterKey
from headrace.sinks.audit.keys.record import Wrapped


@final
class KeyRing:
    """As safe as its master keys.

    ``load`` reads them anew: before anything is wrapped, since a key under a master key that was
    just rotated away would be lost with it, and where one is asked for that is not known.
    """

    def __init__(
        self, masters: Sequence[MasterKey], load: Callable[[], Sequence[MasterKey]] | None = None
    ) -> None:
        self._masters = list(masters)
        self._load = load

    @property
    def current(self) -> MasterKey:
        """The one that wraps."""
        return self._masters[0]

    def led_by(self, master: MasterKey) -> KeyRing:
        """Return a ring that wraps by this key and unwraps by those known now, too."""
        return KeyRing([master, *self._masters])

    def wrap(self, key_id: str, key: bytes) -> Wrapped:
        self._renew()
        master = self.current
        return Wrapped(key_id, master.id, master.wrap(key_id, key))

    def unwrap(self, record: Wrapped) -> bytes:
        """Raises :class:`MasterKeyError` that says which key is asked for, and as ``unwrap``."""
        master = self._named(record.master)
        if master is None:
            self._renew()
            master = self._named(record.master)
        if master is None:
            raise MasterKeyError(
                f"the key {record.id} is wrapped by the master key {record.master}, and the "
                f"settings give {', '.join(one.id for one in self._masters)}: add it behind them"
            )
        return master.unwrap(record.id, record.wrapped)

    def _named(self, master_id: str) -> MasterKey | None:
        return next((one for one in self._masters if one.id == master_id), None)

    def _renew(self) -> None:
        if self._load is not None:
            self._masters = list(self._load())
