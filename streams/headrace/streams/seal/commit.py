"""Writing a segment into the vault: its files, and then the signed seal that makes it count."""

from __future__ import annotations

from typing import Protocol

from headrace.sinks.audit.tree.note import Note, NoteKey
from headrace.sinks.audit.vault import marker, segment
from headrace.sinks.audit.vault.place import MissingError
from headrace.sinks.audit.vault.seal import Seal
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.seal.sealed_log import Draft, StoredError


class Signing(Protocol):
    """What signs checkpoints: :class:`headrace.sinks.audit.keys.SigningKeys`."""

    @property
    def public(self) -> list[NoteKey]: ...
    def sign(self, text: str) -> Note: ...


def commit(vault: Vault, signing: Signing, draft: Draft, last: Seal | None) -> Seal:
    """Write a segment behind the log's ``last`` seal; return its own. Blocks.

    Again with the same arguments after a failure, whatever was written by then. Raises
    :class:`~headrace.sinks.audit.vault.place.TakenError` where another sealer was there,
    :class:`StoredError` where the vault no longer has what this would extend,
    :class:`~headrace.events.errors.SettingsError` where it is none any more, and as the place.
    """
    _need_stored(vault, last)
    segment.write(vault.place, draft.segment)
    seal = draft.seal.signed(signing.sign(draft.seal.checkpoint_text()))
    segment.commit(vault.place, seal)
    return seal


def _need_stored(vault: Vault, last: Seal | None) -> None:
    """Sign nothing that does not extend what is stored: a vault may be put back behind us."""
    if last is None:
        marker.need(vault.place)
        return
    try:
        if vault.seal(last.name) == last:
            return
    except MissingError:
        raise StoredError(
            f"{last.name} is no longer in the vault: it was put back to an earlier state, or"
            " somebody removed it; restore it before anything is sealed"
        ) from None
    raise StoredError(f"{last.name} is another than was sealed: see `headrace audit verify`")
