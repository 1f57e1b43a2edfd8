"""Finding a person in the archive: by marks, so that no query names anybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from headrace.cli.archive import Archive
from headrace.cli.forget.crowd import Crowd
from headrace.cli.forget.marks import is_session, is_user, mark_of
from headrace.cli.forget.stores import PERSONAL, STORES, Holds
from headrace.events.identity import UNBOUND_SESSION
from headrace.streams.erasure.order import Order

# A session is the person's where nobody else is named in it. What came late names sessions by mark.
_SESSIONS: Final = """
SELECT session, countIf(user != '' AND NOT {is_user} AND NOT ({is_anybody} AND {known})) AS others,
    countIf(user = '' OR {is_anybody}) AS nameless
FROM {personal}
WHERE tenant = {{tenant:String}} AND session IN
(
    SELECT session FROM {personal} WHERE tenant = {{tenant:String}} AND {is_user}
    UNION DISTINCT
    SELECT session FROM {personal} WHERE tenant = {{tenant:String}} AND {mark} IN
        (SELECT session FROM erased_ledger WHERE tenant = {{tenant:String}} AND salt = '{salt}')
    UNION DISTINCT
    SELECT session FROM {personal} WHERE tenant = {{tenant:String}} AND {in_evidence}
)
GROUP BY session
ORDER BY session
"""


@dataclass(slots=True)
class Findings:
    """What the archive holds of a person."""

    own: list[str] = field(default_factory=list)
    """Sessions in which nobody else is named."""
    shared: list[str] = field(default_factory=list)
    """Sessions in which others are named: of these, only what names the person goes."""
    nameless: int = 0
    """Events of shared sessions that name nobody, and stay."""


def find(archive: Archive, order: Order, crowd: Crowd | None = None) -> Findings:
    """Find the sessions of an order's user; ``crowd``: among whom scrubbing hid them."""
    query = _SESSIONS.format(
        personal=PERSONAL,
        is_user=is_user(order),
        is_anybody="0" if crowd is None else crowd.is_of(order),
        known=is_session(order, crowd.own if crowd else ()),
        in_evidence=is_session(order, crowd.own | crowd.shared if crowd else ()),
        mark=mark_of(order, "session", "session"),
        salt=order.salt.hex(),
    )
    findings = Findings()
    for session, others, nameless in archive.stream(query, {"tenant": order.tenant}):
        if others or session == UNBOUND_SESSION:
            findings.shared.append(session)
            findings.nameless += nameless
        else:
            findings.own.append(session)
    return findings


def conditions(order: Order) -> dict[str, str]:
    """Return the condition for the person's rows of each table that has any."""
    own = is_session(order, order.sessions)
    either = {Holds.EVENTS: f"({is_user(order)} OR {own})", Holds.SESSIONS: own}
    return {
        store.table: f"tenant = {{tenant:String}} AND {either[store.holds]}"
        for store in STORES
        if store.holds in either
    }


def count(archive: Archive, order: Order) -> dict[str, int]:
    """Count the person's rows by table."""
    found = {}
    for table, condition in conditions(order).items():
        rows = archive.rows(
            f"SELECT count() AS n FROM {table} WHERE {condition}", {"tenant": order.tenant}
        )
        found[table] = int(rows[0]["n"])
    return found
