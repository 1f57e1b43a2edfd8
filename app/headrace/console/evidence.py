"""The page of the latest evidence: its clear part alone, plain HTML, no script."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.console.page import STYLE, text

_STYLE: Final = """
body{max-width:100rem}td:first-child,td:nth-last-child(2){white-space:nowrap}
"""
_COLUMNS: Final = ("tenant", "class", "type", "tool", "user", "session", "log", "index")


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """Render rows of the view ``audit``. Every text is escaped, wherever it came from."""
    heads = "".join(f"<th>{name}</th>" for name in ("time", *_COLUMNS))
    lines = "".join(_row(row) for row in rows)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>headrace: evidence</title>'
        f"<style>{STYLE}{_STYLE}</style></head><body><h1>The latest evidence</h1>"
        "<p>What is said is encrypted, users and sessions are pseudonyms. This view is evidence,"
        " too.</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
        '<p><small><a href="/">status</a></small></p></body></html>\n'
    )


def _row(row: Mapping[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(row["ts"]))
    cells = "".join(f"<td>{text(row[name])}</td>" for name in _COLUMNS)
    return f"<tr><td>{at}</td>{cells}</tr>"
