"""What was erased of each epoch: known by the marks of sessions, no longer by their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from headrace.cli.archive import Archive
from headrace.cli.verify import ranges
from headrace.cli.verify.accounting import EpochId, Found, Told
from headrace.cli.verify.queries import Scope, read_told
from headrace.streams.erasure.order import mark

SHOWN: Final = "erased-"
"""Stands before the mark where a session has no other name any more."""

_ERASED: Final = """
SELECT tenant, session, salt, epoch, first_seq, last_seq, end_seq, dropped, last_ts
FROM erased_ledger FINAL
WHERE {conditions}
"""


@dataclass(slots=True)
class _Erased:
    salt: bytes
    numbers: list[tuple[int, int]] = field(default_factory=list)
    end: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    heard: float = 0.0
    told: tuple[Told, ...] = ()


class ErasedEpochs:
    """By the mark of the session; each is given out once."""

    def __init__(self, found: dict[EpochId, _Erased], scope: Scope) -> None:
        self._found = found
        self._scope = scope
        self._marks: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for one in found:
            self._marks[one.tenant, one.epoch].append(one.session)

    def joined(self, found: Found) -> Found:
        """Add what was erased of an epoch whose session is known."""
        # Epochs are drawn at random, so that few are tried by their marks.
        for session in self._marks.get((found.id.tenant, found.id.epoch), ()):
            marked = found.id._replace(session=session)
            if marked in self._found and self._is(marked, found.id.session):
                return _joined(found, self._found.pop(marked))
        return found

    def others(self) -> Iterator[Found]:
        """Yield those that nothing else is left of."""
        for marked, erased in self._found.items():
            if self._scope.session is None or self._is(marked, self._scope.session):
                epoch = marked._replace(session=SHOWN + marked.session)
                nothing = Found(id=epoch, archived=0, highest=0, holes=(), last_ts=0.0)
                yield _joined(nothing, erased)

    def _is(self, marked: EpochId, session: str) -> bool:
        salt = self._found[marked].salt
        return mark(salt, "session", marked.tenant, session) == marked.session


def _joined(found: Found, erased: _Erased) -> Found:
    return replace(
        found,
        erased=ranges.normalize(erased.numbers),
        end=max(found.end or 0, erased.end) or None,
        end_dropped={**found.end_dropped, **erased.dropped},
        last_ts=max(found.last_ts, erased.heard),
        told=(*found.told, *erased.told),
    )


def read_erased(archive: Archive, scope: Scope) -> ErasedEpochs:
    """Read the ledger of what was erased, of a tenant or of all."""
    found: dict[EpochId, _Erased] = {}
    of_tenant = Scope(tenant=scope.tenant)
    for tenant, session, salt, epoch, *rest in archive.stream(*of_tenant.filled(_ERASED)):
        key = EpochId(tenant, session, epoch)
        one = found.setdefault(key, _Erased(bytes.fromhex(salt)))
        first, last, end, dropped, heard = rest
        one.numbers.append((first, last))
        one.end = max(one.end, end)
        one.dropped.update(dropped)
        one.heard = max(one.heard, heard)
    if found:
        for key, told in read_told(archive, of_tenant).items():
            if key in found:
                found[key].told = tuple(told)
    return ErasedEpochs(found, scope)
