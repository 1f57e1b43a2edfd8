"""Scrubbing of the general archive: what users do not want to find in it is rewritten before.

A TOML file of rules (``HEADRACE_SCRUB``) says what. The audit trail reads ``agent.events`` itself
and is never scrubbed. All modules in here need google-re2, which is an extra.
"""

from __future__ import annotations

import importlib.util

from headrace.events.errors import SettingsError


def need_extra() -> None:
    """Raise :class:`SettingsError` where google-re2 is not installed."""
    if importlib.util.find_spec("re2") is None:
        raise SettingsError('scrubbing needs google-re2: pip install "headrace[scrub]"')
