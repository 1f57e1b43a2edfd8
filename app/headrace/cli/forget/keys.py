"""Shredding: a person's evidence stays provable and is readable no more, unless it must be kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from headrace.cli.archive import Archive
from headrace.cli.audit.policy_holds import policy_holds
from headrace.cli.forget.held import Person, held
from headrace.cli.forget.request import Request
from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import DataKeys, KeysError, open_keys
from headrace.sinks.audit.keys.record import Tombstone
from headrace.sinks.audit.vault.holds import Hold, active_holds
from headrace.sinks.audit.vault.vault import need_vault
from headrace.streams.audit import policy
from headrace.streams.audit.audit_class import AuditClass
from headrace.streams.audit.retention import written


@dataclass(slots=True)
class Shredding:
    """What becomes of a person's data keys, by their classes."""

    shred: list[str] = field(default_factory=list)
    """Ids of keys that exist."""
    finish: list[str] = field(default_factory=list)
    """Ids of those that were shredded before: what an interruption left of them is finished."""
    kept: Counter[str] = field(default_factory=Counter)
    """How many stay, by the reason in words."""


def keys_of(settings: Settings, archive: Archive) -> DataKeys | None:
    """Open the data keys; None where no evidence was ever encrypted.

    Raises SettingsError where there is evidence, and its keys are elsewhere: they would not be
    shredded.
    """
    try:
        return open_keys(settings)
    except SettingsError:
        if settings.audit.keys or (settings.state_dir / "audit" / "keys").exists():
            raise
    evidence = archive.rows(
        "SELECT total_rows AS n FROM system.tables"
        " WHERE database = currentDatabase() AND name = 'audit_raw' AND total_rows > 0"
    )
    if evidence:
        raise SettingsError(
            "there is evidence in ClickHouse, and its keys are not here: set HEADRACE_AUDIT_KEYS,"
            " HEADRACE_AUDIT_VAULT and the master key as the worker `audit` has them"
        )
    return None


def plan(settings: Settings, keys: DataKeys, request: Request) -> Shredding:
    """Decide about every key of the person. Changes nothing.

    Raises HeadraceError where a legal hold cannot be read: nothing may be shredded then.
    """
    holds = [*policy_holds(settings), *active_holds(need_vault(settings))]
    own = _pseudonyms(keys, request, request.sessions)
    everywhere = own | _pseudonyms(keys, request, request.shared)
    user = keys.pseudonym("user", request.tenant, request.user or "")
    person = Person(request.tenant, user, everywhere)
    return _decide(settings, keys, holds, person, (user, *sorted(own)))


def still_open(settings: Settings, keys: DataKeys, tenant: str, user: str) -> list[str]:
    """Return the ids of a person's keys that open what is to be forgotten.

    Evidence that came after the shredding has made them. The person's sessions are not known any
    more: a hold on any may be one on theirs.
    """
    holds = [*policy_holds(settings), *active_holds(need_vault(settings))]
    subject = keys.pseudonym("user", tenant, user)
    sessions = frozenset(hold.session for hold in holds if hold.session is not None)
    return _decide(settings, keys, holds, Person(tenant, subject, sessions), (subject,)).shred


def _decide(
    settings: Settings,
    keys: DataKeys,
    holds: Sequence[Hold],
    person: Person,
    subjects: Iterable[str],
) -> Shredding:
    classes = policy.load(settings.audit.policy).classes
    result = Shredding()
    for subject in subjects:
        for key_id in keys.ids_of(subject):
            if _is_shredded(keys, key_id):
                result.finish.append(key_id)
                continue
            name = key_id.removeprefix(subject + ".").rpartition(".")[0]
            why = _reason_to_keep(classes.get(name), name, held(holds, person, name))
            if why is None:
                result.shred.append(key_id)
            else:
                result.kept[why] += 1
    return result


def _is_shredded(keys: DataKeys, key_id: str) -> bool:
    try:
        return isinstance(keys.record(key_id), Tombstone)
    except KeysError:  # damaged: it is shredded like any other
        return False


def _pseudonyms(keys: DataKeys, request: Request, sessions: Iterable[str]) -> frozenset[str]:
    return frozenset(keys.pseudonym("session", request.tenant, one) for one in sessions)


def _reason_to_keep(known: AuditClass | None, name: str, holds: list[str]) -> str | None:
    if holds:
        return f"legal hold {', '.join(holds)}"
    if known is None:
        return f"class {name} is not in the audit policy: nobody can say"
    if known.erasable:
        return None
    kept = written(known.retention_days)
    return f"class {name} ({kept}): {known.purpose}"
