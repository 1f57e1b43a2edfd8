"""One log, shared out to the topics of its classes: what of it goes where, as the vault has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from heapq import merge
from typing import Final

from headrace.sinks.audit.vault.place import MissingError
from headrace.sinks.audit.vault.seal import ClassFile, Seal, data_of, seal_name
from headrace.sinks.audit.vault.vault import Vault, index_of
from headrace.streams.audit.policy import POLICY_CLASS

DAY_SECONDS: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Piece:
    """Leaves of one segment for one class, with their indices and in their order."""

    sealed_at: float
    leaves: list[tuple[int, bytes]]


@dataclass(slots=True)
class Share:
    """One class of a log, and how far it is in its topic."""

    audit_class: str
    segments: deque[int] = field(default_factory=deque)
    """Where those begin that may hold something which its topic does not have."""
    last: int | None = None
    """The index of the last leaf that its topic has, -1 where it has none; None: not asked."""


class ClassLog:
    """Blocks where it says so; not shared between tasks. Raises as the vault."""

    def __init__(self, vault: Vault, seal: Seal) -> None:
        self.name = seal.log
        self.partition = seal.audit.partition
        self.newest = seal
        self.shares: dict[str, Share] = {}
        self._vault = vault
        self._end: int | None = None
        """The index up to which segments were looked at; None: none was."""

    def look(self, classes: Iterable[str]) -> None:
        """Learn of segments that came. Blocks; the first time it lists all of the log's files.

        Leftovers of a sealer that died are among them: no seal names them.
        """
        newest = self.newest
        if self._end is None:
            self.shares = {one: Share(one) for one in classes}
            for name in self._vault.place.names(data_of(self.name)):
                span, *rest = name.rpartition("/")[2].split(".")
                first = span.partition("-")[0]
                if rest[-1:] == ["jsonl"] and first.isdecimal() and int(first) < newest.end:
                    self._add(int(first), rest[0])
        else:
            while self._end < newest.end:
                seal = self._seal(self._end)
                for file in seal.classes:
                    self._add(seal.first, file.audit_class)
                self._end = seal.end
        self._end = newest.end

    def _add(self, first: int, audit_class: str) -> None:
        own = self.shares.get(audit_class)
        every = list(self.shares.values()) if audit_class == POLICY_CLASS else []
        for share in every or ([own] if own is not None else []):
            if not share.segments or share.segments[-1] != first:
                share.segments.append(first)

    def skip(self, share: Share, last: int) -> None:
        """Its topic has everything up to this index."""
        share.last, segments = last, share.segments
        while len(segments) > 1 and segments[1] <= last:
            segments.popleft()

    def times(self, share: Share) -> list[float]:
        """Return when leaves that its topic may have last were sealed, ever earlier ones. Blocks.

        Seconds since 1970. So a topic need not be read from its beginning.
        """
        found, back = list[float](), 1
        while back <= len(share.segments):
            try:
                found.append(self._seal(share.segments[-back]).sealed_at)
            except MissingError:  # a leftover
                back += 1
            else:
                back *= 8
        return found

    def piece(self, share: Share, kept: Mapping[str, int | None], now: float) -> Piece:
        """Read what the first of its segments holds for it that its topic does not have. Blocks.

        As far as it has not fallen due: in the vault, or by ``kept``, each topic's days.
        """
        try:
            seal = self._seal(share.segments[0])
        except MissingError:  # a leftover
            return Piece(0.0, [])
        days = kept.get(share.audit_class)
        if days is not None and seal.sealed_at + days * DAY_SECONDS <= now:
            return Piece(seal.sealed_at, [])
        mine = {share.audit_class, POLICY_CLASS}
        files = (file for file in seal.classes if file.audit_class in mine)
        last = -1 if share.last is None else share.last
        every = merge(*(self._lines(file, now) for file in files))
        return Piece(seal.sealed_at, [(index, leaf) for index, leaf in every if index > last])

    def _lines(self, file: ClassFile, now: float) -> list[tuple[int, bytes]]:
        if file.retain_until is not None and file.retain_until <= now:
            return []
        return [(index_of(line), line) for line in self._vault.lines(file) or ()]

    def _seal(self, first: int) -> Seal:
        if first == self.newest.first:
            return self.newest
        return self._vault.seal(seal_name(self.name, first))
