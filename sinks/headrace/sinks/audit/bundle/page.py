"""The page of a bundle that people read: no script, nothing from elsewhere, all text escaped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from typing import Any, Final

from headrace.sinks.audit.bundle.chosen import Chosen, Counts
from headrace.sinks.audit.leaf import read

MOST_ROWS: Final = 2_000
"""Leaves that the page shows; a browser becomes slow far beyond."""
LONGEST_EVENT: Final = 20_000
"""Characters of an event that it shows."""

_HEAD: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Audit evidence</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .6rem; text-align: left; vertical-align: top; }
pre { background: #f5f5f5; overflow-x: auto; padding: .6rem; white-space: pre-wrap; }
td, pre { overflow-wrap: anywhere; }
.records td { min-width: 9ch; }
.records td:nth-child(7) { min-width: 14ch; }
.records td:first-child, .records td:nth-child(n+5):not(:nth-child(7)) { white-space: nowrap; }
.why { color: #666; }
</style>
</head>
<body>
"""  # noqa: E501 - a line of HTML


_HEADS: Final = "".join(
    f"<th>{name}</th>"
    for name in ("when", "tenant", "user", "session", "class", "what", "tool", "position")
)
_SHORT: Final = 8
"""Hex digits of a pseudonym; the leaves have all 32."""


class Page:
    """Collects the rows, in memory that is bounded by MOST_ROWS events."""

    def __init__(self, selection: Mapping[str, Any], now: float) -> None:
        self._selection = selection
        self._now = now
        self._rows: list[str] = []

    def take(self, one: Chosen) -> None:
        if len(self._rows) < MOST_ROWS:
            self._rows.append(_row(one))

    def html(self, counts: Counts) -> str:
        more = counts.leaves - len(self._rows)
        asked = "".join(
            f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>\n"
            for name, value in self._selection.items()
        )
        logs = "".join(
            f"<tr><td>{_text(log)}</td><td>{count:,}</td></tr>\n"
            for log, count in counts.logs.items()
        )
        return (
            f"{_HEAD}<h1>Audit evidence</h1>\n"
            f"<p>Exported {_when(self._now)}: {counts.leaves:,} records, {counts.plain:,} of them "
            f"readable, {counts.withheld:,} not.</p>\n"
            f"<h2>What was asked for</h2>\n<table>\n{asked}</table>\n"
            f"<h2>Logs</h2>\n<table>\n<tr><th>log</th><th>records</th></tr>\n{logs}</table>\n"
            f"{_HOW_TO_CHECK}"
            '<h2>Records</h2>\n<table class="records">\n'
            f"<tr>{_HEADS}</tr>\n{''.join(self._rows)}</table>\n"
            + (f"<p>{more:,} more are in plain.jsonl.</p>\n" if more else "")
            + "</body>\n</html>\n"
        )


_HOW_TO_CHECK: Final = """<h2>How to check it</h2>
<p>Run <code>python verify.py .</code> here with Python 3.10 or later; it needs nothing else. Take
<code>verify.py</code> and the public key from a source that you trust, not from this bundle, and
name the key by <code>--key FILE</code>: whoever could forge a bundle could forge both. This page
is a summary. The evidence is in <code>leaves/</code>, as it was sealed, encrypted;
<code>plain.jsonl</code> is what the exporter read in it, for which the manifest's signature
stands.</p>
"""


def _row(one: Chosen) -> str:
    leaf = read(one.leaf)
    who: list[Any] = [(value or "")[:_SHORT] for value in (leaf.user, leaf.session)]
    if one.event is not None:
        who = [one.event.get("user"), one.event.get("session")]
    about = [leaf.audit_class, leaf.type or leaf.kind, leaf.tool]
    cells = [_when(leaf.ts), leaf.tenant, *who, *about]
    said = _said(one)
    return (
        "<tr>"
        + "".join(f"<td>{_text(cell)}</td>" for cell in cells)
        + f"<td>{_text(one.log)} {one.index:,}</td></tr>\n"
        + f'<tr><td></td><td colspan="7">{said}</td></tr>\n'
    )


def _said(one: Chosen) -> str:
    if one.event is None:
        return f'<span class="why">{_text(one.why or "not opened")}</span>'
    shown = json.dumps(one.event, indent=1, ensure_ascii=False, default=str)
    if len(shown) > LONGEST_EVENT:
        left = len(shown) - LONGEST_EVENT
        shown = f"{shown[:LONGEST_EVENT]}\n… {left:,} more characters are in plain.jsonl"
    return f"<details><summary>what it says</summary><pre>{_text(shown)}</pre></details>"


def _text(value: object) -> str:
    """Escape text; what cannot be seen, or turns around what stands beside it, is shown as code."""
    text = "" if value is None else str(value)
    return escape("".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text))


def _when(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"
