"""The topics of evidence: ``agent.audit``, and one of each class where that is wanted.

Then ``agent.audit`` hands over from the split to the sealer, and is kept for no longer than the
vault may be away; each class has its own retention, as the vault's files have.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from headrace.events.settings import AuditSettings, Settings
from headrace.events.topics import AUDIT_STATE, DAY_MS, TopicSpec, class_topic
from headrace.sinks.audit.vault.seal import is_class
from headrace.streams.audit import policy
from headrace.streams.audit.audit_class import AuditClass

LEAST_DAYS: Final = 30
"""Of agent.audit, whatever the policy says: for as long as the vault may be away."""


def evidence(audit: AuditSettings, spec: TopicSpec) -> list[TopicSpec]:
    """Return agent.audit's with its retention, and the topics of the policy's classes.

    Raises :class:`SettingsError` where the policy cannot be read.
    """
    classes = policy.load(audit.policy).classes.values()
    if not audit.topic_per_class:
        days = [one.retention_days for one in classes]
        known = [one for one in days if one is not None]
        longest = None if len(known) < len(days) else max(*known, LEAST_DAYS)
        return [_kept(spec, longest)]
    of_classes = [
        _kept(replace(spec, name=class_topic(one.name), purpose=one.purpose), days_of(one))
        for one in classes
    ]
    return [_kept(spec, LEAST_DAYS), *of_classes]


def days_of(audit_class: AuditClass) -> int | None:
    """Return how long the topic of a class keeps its leaves; None: for ever."""
    return None if audit_class.legal_hold else audit_class.retention_days


def classes_of(settings: Settings, names: Iterable[str]) -> set[str]:
    """Return the classes whose topics are among these, of whatever policy they are."""
    begin = settings.topic(class_topic(""))
    found = {name[len(begin) :] for name in names if name.startswith(begin)}
    return {one for one in found if is_class(one) and class_topic(one) != AUDIT_STATE}


def _kept(spec: TopicSpec, days: int | None) -> TopicSpec:
    kept = "-1" if days is None else str(days * DAY_MS)
    return replace(spec, config=spec.config | {"retention.ms": kept})
