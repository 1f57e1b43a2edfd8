"""A person of whom scrubbing left what it leaves of others, too: known by their sessions alone.

The audit trail is not scrubbed. It has pseudonyms of users and sessions, and the keys tell which
sessions of the archive these are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.cli.archive import Archive
from headrace.cli.forget.marks import is_named
from headrace.cli.forget.stores import PERSONAL
from headrace.sinks.audit.keys import DataKeys
from headrace.streams.erasure.order import Order

_IN_EVIDENCE: Final = """
SELECT session, countIf(user NOT IN ('', {subject:String})) AS others FROM audit_raw
WHERE tenant = {tenant:String} AND session IN
    (SELECT session FROM audit_raw WHERE tenant = {tenant:String} AND user = {subject:String})
GROUP BY session
"""
_OF_CROWD: Final = """
SELECT DISTINCT session FROM {personal} WHERE tenant = {{tenant:String}} AND {is_of}
"""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Those whom the archive calls alike. Marks of the order."""

    name: str
    """What it calls them."""
    own: frozenset[str] = frozenset()
    """Sessions of the crowd in which the audit trail names the person and nobody else."""
    shared: frozenset[str] = frozenset()
    """Those in which it names others, too."""

    def is_of(self, order: Order) -> str:
        """Return a condition: the row names one of them."""
        return is_named(order, self.name)


def find(archive: Archive, order: Order, name: str, user: str, keys: DataKeys | None) -> Crowd:
    """Find the sessions of a user whom the archive calls by the ``name`` of many."""
    mark = order.mark("user", name)
    if keys is None:  # there is no audit trail
        return Crowd(mark)
    tenant = order.tenant
    parameters = {"tenant": tenant, "subject": keys.pseudonym("user", tenant, user)}
    others = {row[0]: row[1] for row in archive.stream(_IN_EVIDENCE, parameters)}
    own, shared = set[str](), set[str]()
    query = _OF_CROWD.format(personal=PERSONAL, is_of=is_named(order, mark))
    for (session,) in archive.stream(query, {"tenant": tenant}):
        count = others.get(keys.pseudonym("session", tenant, session))
        if count is not None:
            (shared if count else own).add(order.mark("session", session))
    return Crowd(mark, frozenset(own), frozenset(shared))
