"""One partition of ``agent.audit``: which of its records are sealed, and where to read on.

What is known of it comes from the vault alone: the seal that was read furthest says where the next
worker begins. So leaves are sealed in the order of their offsets; where another log begins (its
source topic was made anew), what waits of the one before is sealed first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.events.errors import HeadraceError
from headrace.events.topics import LOCAL_CLUSTER
from headrace.sinks.audit.tree.note import NoteKey
from headrace.sinks.audit.vault.seal import LARGEST, AuditPosition, Seal, is_class, is_log
from headrace.sinks.audit.vault.vault import Vault
from headrace.streams.audit.fold import Entry, Fold
from headrace.streams.seal.sealed_log import Draft, SealedLog, StoredError


class RefusedError(HeadraceError):
    """A record of ``agent.audit`` that nothing may be signed over."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is sealed: whichever comes first."""

    leaves: int = 4096
    seconds: float = 10.0
    """From the first leaf that waits: for so long Kafka alone has it."""
    bytes: int = 8 * 1024 * 1024

    def __post_init__(self) -> None:
        if not 0 < self.leaves <= LARGEST:
            raise HeadraceError(f"a segment holds 1 to {LARGEST} leaves, not {self.leaves}")


class Partition:
    """Not shared between tasks. Blocks nowhere but in :meth:`open`."""

    def __init__(self, incarnation: str, number: int, limits: Limits) -> None:
        self._incarnation = incarnation
        self._number = number
        self._limits = limits
        self._fold = Fold()
        self._logs: dict[str, SealedLog] = {}
        self._ended: dict[str, Seal] = {}
        """Logs whose evidence came from another life of agent.audit."""
        self._writer = b""
        """The claim under which the last one that waits was written."""
        self._turned: Entry | None = None
        """The first entry of another log, while some of the one before wait."""
        self._since = 0.0
        """When the first of those that wait came."""
        self.log: SealedLog | None = None
        """The one of the last entry."""
        self.size = 0
        """Bytes of the leaves that wait."""

    @classmethod
    def open(
        cls,
        vault: Vault,
        keys: Sequence[NoteKey],
        incarnation: str,
        number: int,
        limits: Limits,
    ) -> Partition:
        """Read from the vault how far it is sealed. Blocks; raises as :class:`Vault`.

        Raises :class:`StoredError` where the last seal of a log is not to be gone on from.
        """
        made = cls(incarnation, number, limits)
        found = (vault.last_seal(one) for one in vault.logs() if one.endswith(f"-{number}"))
        seals = [seal for seal in found if seal is not None]
        mine = [seal for seal in seals if seal.audit.incarnation == incarnation]
        made._ended = {seal.log: seal for seal in seals if seal not in mine}
        for seal in mine:
            made._logs[seal.log] = SealedLog(seal.log)
            made._logs[seal.log].begin(seal, keys)
        if mine:
            made._begin(vault, mine)
        return made

    def _begin(self, vault: Vault, seals: list[Seal]) -> None:
        furthest = max(seals, key=lambda seal: seal.audit.offset)
        self._fold = Fold.from_data(
            {
                "offset": furthest.audit.offset,
                "writer": furthest.audit.writer,
                "repeats": 0,
                "void": 0,
                "logs": {seal.log: [seal.first, seal.previous] for seal in seals},
            }
        )
        for seal in seals:
            chain = self._fold.chain(seal.log)
            # With its hashes, a repeat of its leaves is compared with them.
            for digest in vault.hashes(seal):
                chain.append(digest)
            if chain.head != seal.head:
                raise StoredError(f"{seal.hashes.name} does not end as {seal.name} says")
        self.log = self._logs[furthest.log]

    @property
    def offset(self) -> int:
        """The next one to be read."""
        return self._fold.offset

    @property
    def waits_from(self) -> int:
        """The offset of the first record that is not done with."""
        waiting = self.log.waiting if self.log is not None else []
        return waiting[0][0].at if waiting else self._fold.offset

    @property
    def waiting(self) -> bool:
        """Whether a leaf waits to be sealed."""
        return self.log is not None and bool(self.log.waiting)

    @property
    def waiting_leaves(self) -> int:
        return len(self.log.waiting) if self.log is not None else 0

    @property
    def last(self) -> Seal | None:
        """The last seal of the log whose leaves wait."""
        return self.log.last if self.log is not None else None

    def last_seals(self) -> list[Seal]:
        """Return the last seal of each log of this life of the topic."""
        return [one.last for one in self._logs.values() if one.last is not None]

    def former_seals(self) -> list[Seal]:
        """Return those of logs of former lives, but for a Kafka's that forgets."""
        return [
            one
            for one in self._ended.values()
            if not one.audit.incarnation.startswith(LOCAL_CLUSTER)
        ]

    def take(self, record: Any, now: float) -> bool:
        """Read a record; return whether what waits must be sealed before the next one is read.

        ``now``: on the loop's clock. Raises :class:`ForkError`, :class:`RefusedError`,
        :class:`StoredError`.
        """
        entry = self._fold.take(record)
        if entry is None:
            return False
        log = self._log_of(entry)
        if self.waiting and log is not self.log:
            self._turned = entry
            return True
        self._accept(log, entry, now)
        return len(log.waiting) >= self._limits.leaves or self.size >= self._limits.bytes

    def is_due(self, now: float) -> bool:
        """Whether a leaf has waited for long enough."""
        return self.waiting and now - self._since >= self._limits.seconds

    def draft(self, now: float) -> Draft:
        """Make the segment of what waits. ``now``: seconds since 1970."""
        log = self._need_log()
        behind = log.waiting[-1][0].at + 1
        writer = self._writer.decode("latin-1")
        return log.draft(AuditPosition(self._incarnation, self._number, behind, writer), now)

    def sealed(self, seal: Seal, now: float) -> None:
        """What waited is in the vault, under this seal."""
        self._need_log().sealed(seal)
        self._settle(now)

    def follow(
        self, seals: Sequence[tuple[Seal, Sequence[bytes]]], keys: Sequence[NoteKey], now: float
    ) -> None:
        """Another sealed what waits, or some of it: go on behind that.

        Raises as :meth:`SealedLog.follow`.
        """
        for seal, hashes in seals:
            self._need_log().follow(seal, hashes, keys)
        self._settle(now)

    def _settle(self, now: float) -> None:
        waiting = self._need_log().waiting
        self.size, self._since = sum(len(entry.leaf) for entry, _ in waiting), now
        if self._turned is not None and not waiting:
            entry, self._turned = self._turned, None
            self._accept(self._log_of(entry), entry, now)

    def _accept(self, log: SealedLog, entry: Entry, now: float) -> None:
        _check(entry)
        if not self.waiting:
            self._since = now
        self.log = log
        before = len(log.waiting)
        log.take(entry)
        if len(log.waiting) > before:
            self.size += len(entry.leaf)
        self._writer = self._fold.writer or b""

    def _log_of(self, entry: Entry) -> SealedLog:
        name = entry.head.log
        if name in self._logs:
            return self._logs[name]
        if not is_log(name) or not name.endswith(f"-{self._number}"):
            raise _refused(entry, "its log is none of this partition")
        if name in self._ended:
            raise StoredError(
                f"log {name} is sealed from another agent.audit"
                f" ({self._ended[name].audit.incarnation}, not {self._incarnation}): that topic was"
                " made anew under it; make agent.events anew as well, which begins new logs"
            )
        return self._logs.setdefault(name, SealedLog(name))

    def _need_log(self) -> SealedLog:
        if self.log is None:
            raise HeadraceError("nothing waits to be sealed")
        return self.log


def _check(entry: Entry) -> None:
    """Raise :class:`RefusedError` for a leaf that could not be read in a vault."""
    if b"\n" in entry.leaf:
        raise _refused(entry, "it is more than one line")
    try:
        entry.leaf.decode()
    except UnicodeDecodeError as error:
        raise _refused(entry, str(error)) from None
    if not is_class(entry.head.audit_class):
        raise _refused(entry, "its class has no name that a class may have")


def _refused(entry: Entry, why: str) -> RefusedError:
    head = entry.head
    return RefusedError(
        f"log {head.log[:80]!r} at index {head.index} (agent.audit, offset {entry.at}): {why}"
    )
