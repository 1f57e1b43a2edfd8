"""What tells a vault from an empty place: a disk that is not mounted looks like the latter."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.events.errors import SettingsError
from headrace.sinks.audit.vault.place import ChangedError, MissingError, Place, TakenError

NAME: Final = "vault.json"
VERSION: Final = 1


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """What a vault says of itself."""

    v: Annotated[int, Meta(ge=VERSION, le=VERSION)] = VERSION
    id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    """Of this vault and no other; random."""


def make(place: Place) -> bool:
    """Make a place a vault, whatever is in it; return whether it was none. Blocks.

    Raises as :class:`Place`, and :class:`ChangedError` for the vault of another version.
    """
    try:
        _read(place)
    except MissingError:
        with suppress(TakenError):  # another process was first
            return place.create(NAME, msgspec.json.encode(Marker(id=secrets.token_hex(16))))
    return False


def need(place: Place) -> None:
    """Raise :class:`SettingsError` where a place is no vault. Blocks; raises as :func:`make`."""
    try:
        _read(place)
    except MissingError as error:
        raise SettingsError(
            f"{error}, so it is not a vault: mount it, or run `headrace audit keys init`"
        ) from None


def _read(place: Place) -> Marker:
    try:
        return msgspec.json.decode(place.read(NAME), type=Marker)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ChangedError(f"{NAME} is not that of a vault: {error}") from None
