"""The page of the latest evidence: its clear part alone, plain HTML, no script."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headrace.console.page import STYLE, text

_STYLE: Final = """
body{max-width:100rem}td:not(.long){white-space:nowrap}
.mark{font:.85em/1.5 ui-monospace,monospace;min-width:16ch}
"""
_COLUMNS: Final = ("tenant", "class", "type", "tool", "user", "session", "log", "index")
_CUT: Final = {"tenant": "long", "tool": "long", "user": "long mark", "session": "long mark"}
"""Names of any length, and 32 hex digits: they may go on in a line of their own. Others do not."""


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
    cells = "".join(_cell(name, row[name]) for name in _COLUMNS)
    return f"<tr><td>{at}</td>{cells}</tr>"


def _cell(name: str, value: object) -> str:
    tag = f'td class="{_CUT[name]}"' if name in _CUT else "td"
    return f"<{tag}>{text(value)}</td>"
