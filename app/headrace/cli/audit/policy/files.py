"""Policy files: which one counts, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path

from headrace.cli.faults import CommandError
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
        first, *others = str(error).splitlines()
        more = f" ({len(others)} more)" if others else ""
        raise CommandError(f"{first}{more}: see `headrace audit policy check`") from None


def mistakes(path: Path | None) -> tuple[Policy | None, list[str]]:
    """Read a policy (None: the shipped one), or give a line for each mistake.

    Raises SettingsError where the file cannot be read.
    """
    try:
        return policies.load(path), []
    except RulesError as error:
        return None, str(error).splitlines()
