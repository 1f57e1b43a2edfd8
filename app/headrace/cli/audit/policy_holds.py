"""The legal holds that the policy itself states, by ``legal_hold = true`` of a class."""

from __future__ import annotations

from headrace.events.settings import Settings
from headrace.sinks.audit.vault.holds import Hold
from headrace.streams.audit import policy


def policy_holds(settings: Settings) -> list[Hold]:
    """Return them as the vault has its own. Raises SettingsError as the policy does."""
    found = policy.load(settings.audit.policy)
    return [
        Hold(
            id=f"policy-{one.name}",
            reason=one.purpose,
            by=f"policy {found.id}",
            placed_at=0.0,
            audit_class=one.name,
        )
        for one in found.classes.values()
        if one.legal_hold
    ]
