"""The page of the latest evidence that a local stack shows to ``audit_reader``."""

from __future__ import annotations

from typing import Final

from headrace.cli.audit import reader
from headrace.cli.audit.search import Search, search
from headrace.cli.audit.selection import Selection
from headrace.console.evidence import render
from headrace.events.settings import Settings

ROWS: Final = 100


def evidence(settings: Settings) -> str:
    """Tell of the view, and render it. Blocks. Raises as :func:`search`."""
    # The password is the user's, and says no more of who it is.
    asked = Search(Selection(), ROWS, reader.USER, open=False, what="page")
    return render([one.row for one in search(settings, asked)])
