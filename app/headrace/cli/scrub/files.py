"""Files of rules that scrub: which one counts, and what is wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli.faults import CommandError
from headrace.cli.mistakes import first_mistake
from headrace.events.settings import Settings
from headrace.streams.alerts.tables import RulesError
from headrace.streams.scrub import need_extra

if TYPE_CHECKING:
    from headrace.streams.scrub.scrubber import Scrubber


def read(settings: Settings, file: Path | None = None) -> Scrubber:
    """Read the rules of a file, or else of HEADRACE_SCRUB.

    Raises RulesError with a line for each mistake, SettingsError where the file cannot be read,
    and CommandError where there is none.
    """
    need_extra()
    from headrace.streams.scrub import config  # noqa: PLC0415 - google-re2 is an extra

    chosen = file or settings.scrub
    if chosen is None:
        raise CommandError("name a file of rules, or set HEADRACE_SCRUB: see docs/scrubbing.md")
    return config.load(chosen)


def load(settings: Settings, file: Path | None = None) -> Scrubber:
    """Do the same, with the first mistake alone and where the others are told."""
    try:
        return read(settings, file)
    except RulesError as error:
        raise first_mistake(error, "headrace scrub check") from None
