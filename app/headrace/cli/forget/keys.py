"""Shredding: a person's evidence stays provable and is readable no more, unless it must be kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from headrace.cli.forget.held import held
from headrace.cli.forget.request import Request
from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import DataKeys, open_keys
from headrace.streams.audit import policy


@dataclass(slots=True)
class Shredding:
    """What becomes of a person's data keys, by their classes."""

    shred: list[str] = field(default_factory=list)
    """Ids of keys."""
    kept: Counter[str] = field(default_factory=Counter)
    """How many stay, by the reason in words."""


def keys_of(settings: Settings) -> DataKeys | None:
    """Open the data keys; None where no evidence was ever encrypted."""
    try:
        return open_keys(settings)
    except SettingsError:
        if settings.audit.keys or (settings.state_dir / "audit" / "keys").exists():
            raise
        return None


def plan(settings: Settings, keys: DataKeys, request: Request) -> Shredding:
    """Decide about every key of the person. Changes nothing."""
    classes = policy.load(settings.audit.policy).classes
    result = Shredding()
    known_as = subjects(keys, request)
    for subject in known_as:
        for key_id in keys.ids_of(subject):
            name = key_id.removeprefix(subject + ".").rpartition(".")[0]
            known = classes.get(name)
            holds = held(settings, request.tenant, known_as, name)
            if holds:
                result.kept[f"legal hold {', '.join(holds)}"] += 1
            elif known is None:
                result.kept[f"class {name} is not in the audit policy: nobody can say"] += 1
            elif not known.erasable:
                kept = "for ever" if known.retention_days is None else f"{known.retention_days} d"
                result.kept[f"class {name} ({kept}): {known.purpose}"] += 1
            else:
                result.shred.append(key_id)
    return result


def subjects(keys: DataKeys, request: Request) -> list[str]:
    """Return the pseudonyms that the person's keys are kept under."""
    user = keys.pseudonym("user", request.tenant, request.user or "")
    sessions = (keys.pseudonym("session", request.tenant, one) for one in request.sessions)
    return [user, *sessions]
