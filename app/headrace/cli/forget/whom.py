"""Who is meant: the names and the sessions by which the archive knows a person."""

from __future__ import annotations

from typing import Final

from headrace.cli.archive import Archive
from headrace.cli.forget import crowd, find, keys
from headrace.cli.forget.request import Request
from headrace.events.settings import Settings
from headrace.streams import scrub

OF_MANY: Final = (
    "scrubbing leaves of this user what it leaves of others: found by session, as the audit trail"
    " names them in it ({found:,} sessions of theirs alone); what they did in sessions that it does"
    " not name them in, or others too, may be among the events that stay"
)


def aliases(settings: Settings, tenant: str, user: str) -> tuple[list[str], str | None]:
    """Return what scrubbing makes of a user and of nobody else, and what it makes of many.

    By the rules that are configured now. Raises SettingsError.
    """
    if settings.scrub is None:
        return [], None
    scrub.need_extra()
    from headrace.streams.scrub.config import load  # noqa: PLC0415 - needs the extra

    found = load(settings.scrub).user(tenant, user)
    if found.name == user:
        return [], None
    return ([found.name], None) if found.alone else ([], found.name)


def look(settings: Settings, archive: Archive, request: Request) -> bool:
    """Find the person, for the request to know; whether a session was new."""
    user = request.user or ""
    alone, of_many = aliases(settings, request.tenant, user)
    request.call(alone)
    order, those = request.order(), None
    if of_many is not None:
        those = crowd.find(archive, order, of_many, user, keys.keys_of(settings, archive))
        request.certificate["crowd"] = OF_MANY.format(found=len(those.own))
    findings = find.find(archive, order, those)
    request.shared = findings.shared
    if findings.nameless:
        request.certificate["nameless"] = findings.nameless
    return request.add(findings.own)
