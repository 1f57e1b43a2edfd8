"""Policy files: which one counts."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.mistakes import first_mistake
from headrace.events.settings import Settings
from headrace.streams.alerts.tables import RulesError
from headrace.streams.audit import policy as policies
from headrace.streams.audit.policy import Policy


def load(settings: Settings, file: Path | None = None) -> Policy:
    """Read a policy; without a file, the configured or else the shipped one.

    Raises :class:`CommandError` with the first mistake and where the others are told, and
    SettingsError where the file cannot be read.
    """
    try:
        return policies.load(file or settings.audit.policy)
    except RulesError as error:
        raise first_mistake(error, "headrace audit policy check") from None
