"""What a store has, key by key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headrace.sinks.audit.keys.data_keys import DataKeys
from headrace.sinks.audit.keys.errors import KeysError
from headrace.sinks.audit.keys.lanes import each
from headrace.sinks.audit.keys.record import Record, Wrapped


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A key as it was found."""

    id: str
    record: Record | None
    """None: damaged, or taken away meanwhile."""
    lost: str | None = None
    """Why the key cannot be had; None also where it was shredded, on purpose."""


def survey(
    keys: DataKeys, *, unwrap: bool = False, told: Callable[[], None] = lambda: None
) -> list[Surveyed]:
    """Look at every key, in the order of their ids; ``unwrap``: and whether it opens.

    ``told`` is called after each, in any thread. Raises :class:`Retryable`, and
    :class:`KeyStoreError` where the store cannot be listed.
    """

    def look(key_id: str) -> Surveyed:
        record: Record | None = None
        try:
            record = keys.record(key_id)
            if unwrap and isinstance(record, Wrapped):
                keys.ring.unwrap(record)
            return Surveyed(key_id, record)
        except KeysError as error:
            return Surveyed(key_id, record, str(error))
        finally:
            told()

    return each(look, list(keys.ids()), keys.lanes)


def masters_of(found: list[Surveyed]) -> set[str]:
    """Return the ids of the master keys that are needed."""
    return {one.record.master for one in found if isinstance(one.record, Wrapped)}
