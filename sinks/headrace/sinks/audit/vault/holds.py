"""Legal holds: evidence that stays whatever its date is, until somebody lets it go.

A hold is a record in the vault itself, ``holds/<id>.json``, and ``holds/<id>.released`` ends it;
neither is ever removed. What it covers is said by the clear part of leaves, so it covers those that
are yet to come: who removes what fell due asks :meth:`Hold.covers` of each leaf first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.leaf import Leaf
from headrace.sinks.audit.vault.place import ChangedError, MissingError, Place
from headrace.sinks.audit.vault.seal import ClassFile, Seal
from headrace.sinks.audit.vault.vault import Vault

VERSION: Final = 1
_FOLDER: Final = "holds/"
_MADE: Final = ".json"
_RELEASED: Final = ".released"
_Version = Annotated[int, Meta(ge=VERSION, le=VERSION)]
_Id = Annotated[str, Meta(pattern="^[0-9a-f]{12}$")]

Told = Callable[[Seal], None]
"""Called before a seal's files are looked at."""


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must stay, and why. None: any."""

    v: _Version
    id: _Id
    tenant: str | None
    user: str | None
    """A pseudonym, as ``session``."""
    session: str | None
    audit_class: str | None = msgspec.field(name="class")
    reason: str
    who: str
    placed_at: float
    """Seconds since 1970."""

    def covers(self, leaf: Leaf) -> bool:
        return (
            self.tenant in {None, leaf.tenant}
            and self.user in {None, leaf.user}
            and self.session in {None, leaf.session}
            and self.audit_class in {None, leaf.audit_class}
        )


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The end of a hold."""

    v: _Version
    id: _Id
    who: str
    released_at: float
    """Seconds since 1970."""


_hold: Final = msgspec.json.Decoder(Hold).decode
_release: Final = msgspec.json.Decoder(Release).decode


def placed(place: Place) -> list[tuple[Hold, Release | None]]:
    """Return every hold there ever was, the earliest first, with its end.

    Raises :class:`ChangedError` where one cannot be read: nothing may be removed then.
    """
    names = set(place.names(_FOLDER))
    ids = sorted(_id_of(name) for name in names if name.endswith(_MADE))
    found = [(_read_hold(place, one), _read_release(place, one, names)) for one in ids]
    return sorted(found, key=lambda one: one[0].placed_at)


def standing(place: Place) -> list[Hold]:
    """Return the holds that have not been released. Raises as :func:`placed`."""
    return [hold for hold, release in placed(place) if release is None]


def place_hold(vault: Vault, hold: Hold, told: Told) -> int:
    """Write a hold and put it on what is sealed already; return how many files it is on.

    It counts from its first write on: interrupted after that, only the place's own lock is missing
    on some files, and :func:`enforce` puts it there.
    """
    vault.place.create(f"{_FOLDER}{hold.id}{_MADE}", msgspec.json.encode(hold))
    return enforce(vault, [hold], told)


def enforce(vault: Vault, holds: Sequence[Hold], told: Told) -> int:
    """Put holds on every file that holds a leaf of theirs; return how many. Again is no harm."""
    held = 0
    for _, file in _files(vault, told):
        if covering(vault, file, holds):
            vault.place.hold(file.name)
            held += 1
    return held


def release_hold(vault: Vault, hold: Hold, release: Release, told: Told) -> int:
    """End a hold, and free what no other one is on; return how many files. Again is no harm."""
    vault.place.create(f"{_FOLDER}{hold.id}{_RELEASED}", msgspec.json.encode(release))
    others, freed = standing(vault.place), 0
    for _, file in _files(vault, told):
        if covering(vault, file, [hold, *others]) == [hold]:
            vault.place.release(file.name)
            freed += 1
    return freed


def covering(vault: Vault, file: ClassFile, holds: Sequence[Hold]) -> list[Hold]:
    """Return the holds that are on a file: those that cover a leaf of it."""
    near = [hold for hold in holds if hold.audit_class in {None, file.audit_class}]
    if not near:
        return []
    clear = [leaves.read(line) for line in vault.lines(file) or ()]
    return [hold for hold in near if any(map(hold.covers, clear))]


def _files(vault: Vault, told: Told) -> Iterator[tuple[Seal, ClassFile]]:
    for log in sorted(vault.logs()):
        for seal in vault.seals(log):
            told(seal)
            yield from ((seal, file) for file in seal.classes)


def _id_of(name: str) -> str:
    return name[len(_FOLDER) : -len(_MADE)]


def _read_hold(place: Place, name: str) -> Hold:
    path = f"{_FOLDER}{name}{_MADE}"
    try:
        found = _hold(place.read(path))
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ChangedError(f"{path} is no legal hold: {error}") from None
    if found.id != name:
        raise ChangedError(f"{path} is no legal hold: it says that it is {found.id}")
    return found


def _read_release(place: Place, name: str, names: set[str]) -> Release | None:
    path = f"{_FOLDER}{name}{_RELEASED}"
    if path not in names:
        return None
    try:
        return _release(place.read(path))
    except (msgspec.MsgspecError, UnicodeDecodeError, MissingError) as error:
        raise ChangedError(f"{path} is no end of a legal hold: {error}") from None
