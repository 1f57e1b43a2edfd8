"""Which evidence: by tenant, user, session, tool, class, type and time."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from headrace.cli.faults import CommandError
from headrace.events.settings import Settings
from headrace.sinks.audit.leaf import Leaf


@dataclass(frozen=True, slots=True)
class Selection:
    """What to look for; None: any. Users and sessions by pseudonym."""

    tenant: str | None = None
    user: str | None = None
    session: str | None = None
    tool: str | None = None
    audit_class: str | None = None
    type: str | None = None
    since: float | None = None
    """Seconds since 1970; of the event, not of the seal."""
    until: float | None = None
    """Before this."""

    def as_data(self) -> dict[str, Any]:
        """Return it as JSON, without what is not asked for and without anybody's name."""
        found = {name: value for name, value in asdict(self).items() if value is not None}
        if "audit_class" in found:
            found["class"] = found.pop("audit_class")
        return found

    def covers(self, leaf: Leaf) -> bool:
        """Tell the same of a leaf of the vault."""
        return (
            self.tenant in {None, leaf.tenant}
            and self.user in {None, leaf.user}
            and self.session in {None, leaf.session}
            and self.tool in {None, leaf.tool}
            and self.audit_class in {None, leaf.audit_class}
            and self.type in {None, leaf.type}
            and (self.since is None or leaf.ts >= self.since)
            and (self.until is None or leaf.ts < self.until)
        )

    def where(self) -> tuple[str, dict[str, Any]]:
        """Return the condition on ClickHouse's view ``audit``, and what it binds."""
        tests = [test for name, test in _TESTS.items() if getattr(self, name) is not None]
        bound = {name: getattr(self, name) for name in _TESTS if getattr(self, name) is not None}
        return " AND ".join(tests) or "1", bound


_is_pseudonym: Final = re.compile(r"[0-9a-f]{32}").fullmatch
_TESTS: Final = {
    "tenant": "tenant = {tenant:String}",
    "user": "user = {user:String}",
    "session": "session = {session:String}",
    "tool": "tool = {tool:String}",
    "audit_class": "class = {audit_class:String}",
    "type": "type = {type:String}",
    "since": "ts >= {since:Float64}",
    "until": "ts < {until:Float64}",
}


def about(
    settings: Settings,
    selection: Selection,
    *,
    user: str | None,
    session: str | None,
    pseudonyms: bool = False,
) -> Selection:
    """Add whom it is about; ``pseudonyms``: they are given as evidence shows them.

    Raises :class:`CommandError`, and as ``open_keys``.
    """
    if pseudonyms:
        for name in filter(None, (user, session)):
            if not _is_pseudonym(name):
                raise CommandError(
                    f"{name!r} is no pseudonym: those have 32 hex digits, which --json shows whole"
                )
    if pseudonyms or (user is None and session is None):
        return replace(selection, user=user, session=session)
    if selection.tenant is None:
        raise CommandError("a user or a session is one of a tenant: say which with --tenant")
    from headrace.sinks.audit.keys import open_keys  # noqa: PLC0415 - cryptography is slow

    keys, tenant = open_keys(settings), selection.tenant
    return replace(
        selection,
        user=None if user is None else keys.pseudonym("user", tenant, user),
        session=None if session is None else keys.pseudonym("session", tenant, session),
    )
