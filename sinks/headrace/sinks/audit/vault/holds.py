"""Legal holds: what must stay, whatever falls due and whoever is to be forgotten.

A hold is one file of the vault, ``holds/<id>.json``, and ends by another, ``holds/<id>.released``:
who placed and who released it stands there as long as the vault does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.leaf import Leaf
from headrace.sinks.audit.vault.place import ChangedError, MissingError
from headrace.sinks.audit.vault.vault import Vault

VERSION: Final = 1
_FOLDER: Final = "holds/"
_HOLD: Final = ".json"
_RELEASED: Final = ".released"

_Version = Annotated[int, Meta(ge=VERSION, le=VERSION)]
_Id = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Hold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is held: what meets every condition that is given. Times in seconds since 1970."""

    v: _Version = VERSION
    id: _Id
    reason: str
    by: str
    placed_at: float
    tenant: str | None = None
    user: str | None = None
    """A pseudonym."""
    session: str | None = None
    """A pseudonym."""
    audit_class: str | None = msgspec.field(name="class", default=None)

    def covers(self, leaf: Leaf) -> bool:
        return (
            self.tenant in {None, leaf.tenant}
            and self.user in {None, leaf.user}
            and self.session in {None, leaf.session}
            and self.audit_class in {None, leaf.audit_class}
        )


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a hold ended, by whom and why."""

    v: _Version = VERSION
    id: _Id
    reason: str
    by: str
    released_at: float


@dataclass(frozen=True, slots=True)
class HoldState:
    """A hold and whether it still holds."""

    hold: Hold
    release: Release | None


_T = TypeVar("_T", Hold, Release)


def place_hold(vault: Vault, hold: Hold) -> None:
    """Hold from now on. Raises :class:`TakenError` where another hold has this id.

    Nothing that it covers is removed any more; :func:`mark` tells the place so, too.
    """
    _checked(hold, Hold)
    vault.place.create(f"{_FOLDER}{hold.id}{_HOLD}", msgspec.json.encode(hold))


def release_hold(vault: Vault, release: Release) -> None:
    """End a hold. Raises :class:`MissingError` where there is none, TakenError where it ended."""
    _checked(release, Release)
    vault.place.read(f"{_FOLDER}{release.id}{_HOLD}")
    vault.place.create(f"{_FOLDER}{release.id}{_RELEASED}", msgspec.json.encode(release))


def holds(vault: Vault) -> list[HoldState]:
    """Read all holds, released ones too. Raises :class:`ChangedError` for what is none."""
    names = list(vault.place.names(_FOLDER))
    ended = {name for name in names if name.endswith(_RELEASED)}
    found: list[HoldState] = []
    for name in names:
        stem = name.removesuffix(_HOLD)
        if stem == name:
            continue
        over = stem + _RELEASED
        release = _read(vault, over, Release) if over in ended else None
        found.append(HoldState(_read(vault, name, Hold), release))
    return found


def active_holds(vault: Vault) -> list[Hold]:
    """Read the holds that hold."""
    return [state.hold for state in holds(vault) if state.release is None]


def covers_any(lines: Iterable[bytes], held: Iterable[Hold]) -> bool:
    """Whether one of the holds covers one of these leaves."""
    held = list(held)
    return bool(held) and any(hold.covers(leaves.read(line)) for line in lines for hold in held)


def held_files(vault: Vault, held: Iterable[Hold]) -> Iterator[str]:
    """Name the class files that hold leaves which one of the holds covers. Reads the vault."""
    held = list(held)
    for log in vault.logs():
        for seal in vault.seals(log):
            for file in seal.classes:
                if any(one.audit_class in {None, file.audit_class} for one in held) and covers_any(
                    vault.lines(file) or (), held
                ):
                    yield file.name


def mark(vault: Vault, hold: Hold) -> Iterator[str]:
    """Tell the place what a hold covers, so that nobody else removes it; name each file of it."""
    for name in held_files(vault, [hold]):
        vault.place.hold(name)
        yield name


def unmark(vault: Vault, released: Hold) -> Iterator[str]:
    """Tell the place what a released hold no longer covers, and no other does; name it."""
    others = active_holds(vault)
    kept = set(held_files(vault, others)) if others else set[str]()
    for name in held_files(vault, [released]):
        if name not in kept:
            vault.place.release(name)
            yield name


def _checked(value: _T, kind: type[_T]) -> None:
    """Raise :class:`ChangedError` for what could not be read again."""
    _decoded(value.id, msgspec.json.encode(value), kind)


def _read(vault: Vault, name: str, kind: type[_T]) -> _T:
    try:
        return _decoded(name, vault.place.read(name), kind)
    except MissingError:
        raise ChangedError(f"{name} was removed while it was read") from None


def _decoded(name: str, content: bytes, kind: type[_T]) -> _T:
    try:
        found = msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ChangedError(f"{name} is no {kind.__name__.lower()}: {error}") from None
    if name not in {found.id, f"{_FOLDER}{found.id}{_HOLD}", f"{_FOLDER}{found.id}{_RELEASED}"}:
        raise ChangedError(f"{name} says that it is {found.id}")
    return found
