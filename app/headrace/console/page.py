"""The status page of a local stack: plain HTML, no script, nothing to click."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

STYLE: Final = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;
color:#1b1f24;background:#fff}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .8rem .35rem 0;
border-bottom:1px solid #d8dee4}td{font-variant-numeric:tabular-nums}
.long{overflow-wrap:anywhere;min-width:14ch}
.good{color:#116329}.bad{color:#a40e26;font-weight:600}small{color:#57606a}
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}
th,td{border-color:#30363d}.good{color:#3fb950}.bad{color:#ff7b72}small{color:#8d96a0}}
"""


def render(status: Mapping[str, Any], *, now: float | None = None) -> str:
    """Render what ``/status.json`` says. Every text is escaped, wherever it came from."""
    now = time.time() if now is None else now
    parts: Sequence[Mapping[str, Any]] = status["parts"]
    good = status["state"] == "ready" and all(part["well"] for part in parts)
    verdict = "everything runs" if good else f"{status['state']}: not everything runs"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="refresh" content="5"><title>headrace</title>'
        f"<style>{STYLE}</style></head><body><h1>headrace</h1>"
        f'<p class="{"good" if good else "bad"}">{text(verdict)}</p>'
        f"<p>for {_age(now - status['since'])} · as of {_clock(now)}</p>"
        f"{_parts(parts, now)}{_lag(status.get('lag'))}{_said(status['said'])}"
        '<p><small><a href="/status.json">status.json</a> · <a href="/metrics">metrics</a>'
        ' · <a href="/audit">evidence</a></small></p></body></html>\n'
    )


def _parts(parts: Sequence[Mapping[str, Any]], now: float) -> str:
    head = ("part", "state", "for", "pid", "address", "restarts", "trouble or last end")
    rows = []
    for part in parts:
        state = part["state"] if part["well"] or part["state"] != "up" else "up, not yet well"
        cells = [
            text(part["name"]),
            f'<span class="{"good" if part["well"] else "bad"}">{text(state)}</span>',
            _age(now - part["since"]),
            text(part["pid"]),
            text(part["address"]),
            text(part["restarts"]),
        ]
        trouble = f'<td class="long">{text(part["trouble"] or part["last_end"])}</td>'
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + f"{trouble}</tr>")
    heads = "".join(f"<th>{cell}</th>" for cell in head)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _lag(lag: Mapping[str, Any] | None) -> str:
    if not lag:
        return ""
    items = ", ".join(f"{text(name)}: {text(count)}" for name, count in lag.items())
    return f"<p>events not yet worked: {items}</p>"


def _said(said: Sequence[Mapping[str, Any]]) -> str:
    if not said:
        return ""
    lines = "".join(
        f"<li>{_clock(item['at'])} {text(item['text'])}</li>" for item in reversed(said)
    )
    return f"<h2>What happened</h2><ul>{lines}</ul>"


def text(value: object) -> str:
    """Escape text; what cannot be seen, or turns around what stands beside it, is shown as code."""
    if value is None:
        return "-"
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(value))
    return html.escape(shown, quote=True)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S UTC", time.gmtime(at))


def _age(seconds: float) -> str:
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"
