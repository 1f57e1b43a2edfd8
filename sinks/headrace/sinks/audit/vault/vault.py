"""The vault as its readers see it: logs, their seals in order, and what each of them sealed.

vault.json                                                   that this is a vault
logs/<log>/<first:020d>.seal                                 the commit
logs/<log>/data/<first>-<end>.<class>.<16 hex>.jsonl         leaves of one class
logs/<log>/data/<first>-<end>.<16 hex>.hashes                of all leaves
keys/<name>+<key id>.pub                                     public signing keys
holds/<id>.json, holds/<id>.released                         legal holds
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Final
from urllib.parse import quote

import msgspec

from headrace.events.settings import Settings
from headrace.sinks.audit.leaf import LeafError
from headrace.sinks.audit.tree.note import NoteKey
from headrace.sinks.audit.vault import marker
from headrace.sinks.audit.vault import seal as seals
from headrace.sinks.audit.vault.place import ChangedError, MissingError, Place
from headrace.sinks.audit.vault.places import open_place
from headrace.sinks.audit.vault.seal import ClassFile, Seal, read_seal

HASH_BYTES: Final = 32
_LOGS: Final = "logs/"
_KEYS: Final = "keys/"


class _Indexed(msgspec.Struct, gc=False):
    index: int


_indexed: Final = msgspec.json.Decoder(_Indexed).decode


class Vault:
    """Blocking; safe from any thread.

    All of it raises :class:`~headrace.events.errors.Retryable` where the place is away, and
    :class:`~headrace.sinks.audit.vault.place.ChangedError` where what it reads is not what was
    sealed. Signatures and roots are for who verifies.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def logs(self) -> list[str]:
        """Ids of all logs."""
        folders = self.place.names(_LOGS)
        return [name[len(_LOGS) : -1] for name in folders if name.endswith("/")]

    def seals(self, log: str, *, first: int = 0) -> Iterator[Seal]:
        """Read a log's seals in order, those that begin at ``first`` or later."""
        after = seals.seal_name(log, first - 1) if first else ""
        for name in self.place.names(seals.seals_of(log), after=after):
            yield self.seal(name)

    def seal(self, name: str) -> Seal:
        """Read one seal. Raises :class:`MissingError`."""
        return read_seal(name, self.place.read(name))

    def last_seal(self, log: str) -> Seal | None:
        """Return None where nothing of the log was sealed."""
        name = self.place.last(seals.seals_of(log))
        return self.seal(name) if name else None

    def seal_at(self, log: str, index: int) -> Seal | None:
        """Return the seal of the segment that holds a leaf, None where none does."""
        before = index - seals.LARGEST
        found = None
        for name in self.place.names(
            seals.seals_of(log), after=seals.seal_name(log, before) if before >= 0 else ""
        ):
            if name > seals.seal_name(log, index):
                break
            found = name
        seal = self.seal(found) if found else None
        return seal if seal is not None and index < seal.end else None

    def hashes(self, seal: Seal) -> list[bytes]:
        """Read the hashes of a segment's leaves, all classes."""
        content = self._sealed(seal.hashes.name, seal.hashes.sha256)
        if len(content) != HASH_BYTES * seal.count:
            raise ChangedError(f"{seal.hashes.name} does not hold {seal.count} hashes")
        return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]

    def all_hashes(self, log: str, size: int | None = None) -> Iterator[bytes]:
        """Read the hashes of a log's leaves from the first on, ``size`` of them or all.

        Raises :class:`ChangedError` where a segment is missing.
        """
        return islice(self._all_hashes(log), size)

    def _all_hashes(self, log: str) -> Iterator[bytes]:
        end = 0
        for seal in self.seals(log):
            if seal.first != end:
                raise ChangedError(f"{seal.name} does not follow: leaf {end} is next")
            yield from self.hashes(seal)
            end = seal.end

    def lines(self, file: ClassFile) -> list[bytes] | None:
        """Read the leaves of one class file, in order; None where it fell due and was removed."""
        try:
            content = self._sealed(file.name, file.sha256)
        except MissingError:
            return None
        return content.split(b"\n")[:-1]

    def leaves(self, seal: Seal) -> Iterator[tuple[int, bytes]]:
        """Read a segment's leaves with their indices, in order, as far as they are still kept."""
        kept = (lines for one in seal.classes if (lines := self.lines(one)) is not None)
        return merge(*[[(index_of(line), line) for line in lines] for lines in kept])

    def leaf(self, log: str, index: int) -> bytes | None:
        """Read one leaf; None where it is not there, or no longer."""
        seal = self.seal_at(log, index)
        found = self.leaves(seal) if seal is not None else iter(())
        return next((leaf for at, leaf in found if at == index), None)

    def keys(self) -> list[NoteKey]:
        """Read the public signing keys, old ones too. For who trusts this vault for them."""
        return [
            NoteKey.parse(self.place.read(name).decode().strip())
            for name in self.place.names(_KEYS)
            if name.endswith(".pub")
        ]

    def keep_key(self, key: NoteKey) -> None:
        """Write a public key. Again: nothing happens."""
        self.place.create(key_name(key), f"{key.line()}\n".encode())

    def _sealed(self, name: str, sha256: str) -> bytes:
        content = self.place.read(name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ChangedError(f"{name} is not what was sealed: its SHA-256 is another")
        return content


def open_vault(settings: Settings) -> Vault:
    """Open the vault of the settings; asks it nothing yet. Raises :class:`SettingsError`."""
    return Vault(open_place(_where(settings)))


def need_vault(settings: Settings) -> Vault:
    """Open it for whoever must not take a place that is absent for an empty vault. Blocks.

    Raises :class:`SettingsError` where it is none, and as :class:`Vault`.
    """
    vault = open_vault(settings)
    marker.need(vault.place)
    return vault


def make_vault(settings: Settings) -> str | None:
    """Make the place of the settings a vault; return where, None where it is one. Blocks.

    Raises as :func:`marker.make`.
    """
    return _where(settings) if marker.make(open_vault(settings).place) else None


def _where(settings: Settings) -> str:
    return settings.audit.vault or str(settings.state_dir / "audit" / "vault")


def key_name(key: NoteKey) -> str:
    return f"{_KEYS}{quote(key.name, safe='')}+{key.key_id.hex()}.pub"


def index_of(leaf: bytes) -> int:
    """Read a leaf's index. Raises :class:`LeafError`."""
    try:
        return _indexed(leaf).index
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise LeafError(f"not a leaf: {error}") from None
