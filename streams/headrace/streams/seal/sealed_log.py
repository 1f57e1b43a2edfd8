"""One log: how far it is sealed, and the leaves that wait to be."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headrace.events.errors import HeadraceError, SettingsError
from headrace.sinks.audit.leaf import POLICY
from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.merkle import Frontier
from headrace.sinks.audit.tree.note import NoteError, NoteKey
from headrace.sinks.audit.vault import segment
from headrace.sinks.audit.vault.seal import VERSION, AuditPosition, PolicyDays, Seal
from headrace.sinks.audit.vault.segment import SealedLeaf, Segment
from headrace.streams.audit.fold import NO_HASH, Entry, ForkError
from headrace.streams.audit.policy import loads

log = logging.getLogger(__name__)


class StoredError(HeadraceError):
    """What the vault has of a log cannot be gone on from. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A segment that is ready to be written, under a seal that is not signed yet."""

    segment: Segment
    seal: Seal


class SealedLog:
    """Not shared between tasks. Blocks nowhere."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last: Seal | None = None
        """The last one that is in the vault."""
        self.waiting: list[tuple[Entry, SealedLeaf]] = []
        self._ahead: deque[bytes] = deque()
        """Hashes that another sealed and that were not read here yet."""
        self._policy: PolicyDays | None = None

    @property
    def end(self) -> int:
        """The index behind what is sealed."""
        return self.last.end if self.last is not None else 0

    def follow(self, seal: Seal, hashes: Sequence[bytes], keys: Sequence[NoteKey]) -> None:
        """Go on behind a seal of the vault, by whomever: of what waits, this much is sealed.

        Raises :class:`StoredError` where the seal is not signed by one of the keys, or does not
        follow; :class:`ForkError` where other leaves wait than were sealed.
        """
        need_signed(seal, keys)
        head = self.last.head if self.last is not None else NO_HASH
        if (seal.first, seal.previous) != (self.end, head):
            raise StoredError(f"{seal.name} does not follow leaf {self.end - 1}: {_LOOK}")
        self._ahead.extend(hashes)
        self._agree(seal)

    def begin(self, seal: Seal, keys: Sequence[NoteKey]) -> None:
        """Begin behind the last seal of the vault. Raises :class:`StoredError`."""
        need_signed(seal, keys)
        self.last, self._policy = seal, seal.policy

    def take(self, entry: Entry) -> None:
        """Take the next entry. Raises :class:`ForkError` where another leaf is sealed there."""
        if self._ahead:
            if self._ahead.popleft() != entry.hash:
                raise _fork(entry)
            return
        if entry.head.kind == POLICY and entry.head.text is not None:
            self._policy = _days_of(entry.head.policy, entry.head.text)
        policy = self._policy
        known = policy is not None and policy.id == entry.head.policy
        # What no policy of this log explains is kept for ever.
        name = entry.head.audit_class
        days = policy.days.get(name) if policy is not None and known else None
        leaf = SealedLeaf(entry.leaf, entry.hash, name, days)
        self.waiting.append((entry, leaf))

    def draft(self, audit: AuditPosition, now: float) -> Draft:
        """Make the segment of all that waits, which must be something."""
        entries = [entry for entry, _ in self.waiting]
        leaves = [leaf for _, leaf in self.waiting]
        tree = Frontier.of(self.end, _peaks(self.last))
        for entry in entries:
            tree.append(entry.hash)
        made = segment.make(self.name, self.end, leaves, now)
        seal = Seal(
            v=VERSION,
            log=self.name,
            first=self.end,
            end=self.end + len(leaves),
            classes=made.classes,
            hashes=made.hashes,
            previous=entries[0].head.prev,
            head=entries[-1].hash.hex(),
            peaks=tuple(peak.hex() for peak in tree.peaks),
            source_offset=entries[-1].head.offset + 1,
            audit=audit,
            policy=self._policy,
            sealed_at=now,
            checkpoint="",
        )
        return Draft(made, seal)

    def sealed(self, seal: Seal) -> None:
        """All that waited is in the vault, under this seal."""
        self.last = seal
        self.waiting = []

    def _agree(self, seal: Seal) -> None:
        """Compare what waits with what was sealed of it, and let it go."""
        both = min(len(self.waiting), len(self._ahead))
        for entry, _ in self.waiting[:both]:
            if self._ahead.popleft() != entry.hash:
                raise _fork(entry)
        self.waiting = self.waiting[both:]
        self.last = seal
        # What waits beyond it was judged by the same policy or by one that waits as well.
        if not self.waiting:
            self._policy = seal.policy


def need_signed(seal: Seal, keys: Sequence[NoteKey]) -> None:
    """Raise :class:`StoredError` where none of the keys signed a seal's checkpoint."""
    try:
        note.verify(note.parse(seal.checkpoint.encode()), keys)
    except NoteError as error:
        raise StoredError(
            f"{seal.name}: {error}: put the public key that signed it among the signing keys "
            "(HEADRACE_AUDIT_SIGNING_KEYS), if it is yours"
        ) from None


_LOOK: Final = "run `headrace audit verify` before anything is sealed on top of it"


def _peaks(seal: Seal | None) -> list[bytes]:
    return [bytes.fromhex(peak) for peak in seal.peaks] if seal is not None else []


def _days_of(name: str, text: str) -> PolicyDays:
    """Read how long a policy keeps its classes: for ever, where this version cannot read it."""
    try:
        classes = loads(text, f"policy {name}").classes
    except SettingsError as error:
        log.warning("what policy %s selects is kept for ever: %s", name, error)
        return PolicyDays(name, {})
    return PolicyDays(name, {one.name: one.retention_days for one in classes.values()})


def _fork(entry: Entry) -> ForkError:
    head = entry.head
    return ForkError(head.log, head.index, entry.at, "another leaf is sealed there")
