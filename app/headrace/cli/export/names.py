"""Names of files for sessions, whose own names may be anything."""

from __future__ import annotations

import hashlib
import re
from typing import Final

_PLAIN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_OTHERS: Final = re.compile(r"[^A-Za-z0-9._-]+")
SHOWN: Final = 60
"""Characters of a hostile name that its file's name shows."""


def file_name(session: str, ending: str) -> str:
    """Return the file's name: the session's, where that is plain, else what is plain of it.

    Two sessions never share one, on file systems that do not tell A from a either: ``~`` and 16 hex
    of the name's SHA-256 stand behind whatever was changed, and no plain name holds a ``~``.
    """
    if _PLAIN.fullmatch(session):
        return session + ending
    digest = hashlib.sha256(session.encode()).hexdigest()[:16]
    return f"{_OTHERS.sub('_', session[:SHOWN]).lstrip('.')}~{digest}{ending}"
