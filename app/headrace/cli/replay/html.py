"""A session as one HTML file that opens anywhere: no script from elsewhere, no network.

All of it works without its script, which adds the search and the keys. The page's policy allows
that script and that style by their hashes and nothing else, so that even markup that got through
could load and run nothing. Everything an agent said is made safe as for a terminal, then escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from html import escape
from importlib import resources
from typing import Final, TextIO

from headrace.cli.replay.entries import Entry, duration
from headrace.cli.replay.show import clock_text, counted, date_text, is_allowance
from headrace.cli.replay.story import Story, turns
from headrace.cli.replay.strip import strip
from headrace.cli.replay.sums import About, Sums, is_error, money
from headrace.cli.text import safe_text

KINDS: Final = {
    "user": "User",
    "text": "Assistant",
    "thinking": "Thinking",
    "model": "Model",
    "tool": "Tools",
    "ask": "Confirmations",
    "permission": "Permissions",
    "agent": "Sub-agents",
    "memory": "Memory",
    "log": "Logs",
    "error": "Errors",
    "lost": "Lost",
    "note": "Notes",
    "allowed": "Allowed calls",
}
"""The filters, in their order. ``allowed`` are permissions that let a call pass."""
HIDDEN: Final = frozenset({"allowed"})
"""Not shown until asked for."""
SHORT_CHARACTERS: Final = 600
SHORT_LINES: Final = 8
"""A longer body is folded."""
MOST_LISTED: Final = 200
"""Errors that are listed at the top."""


def write(story: Story, out: TextIO) -> None:
    """Write the page."""
    about = story.about
    out.writelines(page(f"{about.session} · headrace replay", _body(story)))


def page(title: str, body: Iterable[str]) -> Iterator[str]:
    """Yield a whole page around a body."""
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}';"
        " base-uri 'none'; form-action 'none'"
    )
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{told(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )
    yield from body
    yield f"<script>{script}</script>\n</body>\n</html>\n"


def told(text: object) -> str:
    """Return an agent's text for HTML."""
    return escape(safe_text(text, newlines=True))


def header(title: str, about: About) -> Iterator[str]:
    """Yield whose session it is."""
    yield f'<p class="mark">headrace · {title}</p><h1>{told(about.session)}</h1><dl class="who">'
    facts = [("tenant", [about.tenant]), ("user", list(about.users))]
    facts += [("agent", list(about.agents)), ("trace", list(about.traces))]
    for name, values in facts:
        if values:
            more = f" and {len(values) - 3:,} more" if len(values) > 3 else ""  # noqa: PLR2004
            said = ", ".join(f"<code>{told(value)}</code>" for value in values[:3])
            yield f"<div><dt>{name}</dt><dd>{said}{more}</dd></div>"
    if about.start is not None:
        yield f"<div><dt>began</dt><dd>{date_text(about.start)}</dd></div>"
    yield "</dl>\n"


def tiles(sums: Sums) -> Iterator[str]:
    """Yield the sums, each with a word on what is in it."""
    cached = f"{sums.tokens_cached:,} cached"
    cells = [
        ("duration", duration(sums.duration_s * 1000), counted(sums.turns, "turn"), ""),
        ("model calls", f"{sums.model_calls:,}", f"{duration(sums.model_ms)} in all", ""),
        ("tool calls", f"{sums.tool_calls:,}", f"{duration(sums.tool_ms)} in all", ""),
        ("tokens in", f"{sums.tokens_in:,}", cached, ""),
        ("tokens out", f"{sums.tokens_out:,}", "", ""),
        ("cost", money(sums.cost), "", ""),
        ("retries", f"{sums.retries:,}", "", "warn" if sums.retries else ""),
        ("errors", f"{sums.errors:,}", "", "bad" if sums.errors else "good"),
    ]
    yield '<section class="tiles">'
    for name, value, more, tone in cells:
        yield f'<div class="tile {tone}"><b>{value}</b><span>{name}</span><i>{more}</i></div>'
    yield "</section>\n"


def _body(story: Story) -> Iterator[str]:
    yield "<header>"
    yield from header("replay", story.about)
    yield from tiles(story.sums)
    yield from strip(story.entries, story.start)
    yield "</header>\n"
    yield from _errors(story)
    yield from _filters(story.entries)
    yield "<main>\n"
    number = 0
    for part in turns(story.entries):
        yield from _part(part, number, story.start)
        number += len(part)
    yield '</main>\n<p id="none" hidden>Nothing on this page fits.</p>\n'


def _errors(story: Story) -> Iterator[str]:
    wrong = [(number, one) for number, one in enumerate(story.entries) if is_error(one)]
    if not wrong:
        return
    yield f'<details class="errors" open><summary>{counted(len(wrong), "error")}</summary><ol>'
    for number, one in wrong[:MOST_LISTED]:
        at = clock_text(one.ts - story.start)
        said = told(safe_text(one.headline, limit=200))
        yield f'<li><a href="#e{number}"><time>{at}</time> {said}</a></li>'
    if len(wrong) > MOST_LISTED:
        yield f"<li>and {len(wrong) - MOST_LISTED:,} more below</li>"
    yield "</ol></details>\n"


def _filters(entries: list[Entry]) -> Iterator[str]:
    there: dict[str, int] = {}
    for entry in entries:
        there[_kind(entry)] = there.get(_kind(entry), 0) + 1
    yield '<nav class="bar"><input id="search" type="search" placeholder="Search (/)" '
    yield 'aria-label="Search" class="js"><span id="found" class="js" role="status"></span>'
    yield '<span class="kinds">'
    for kind, name in KINDS.items():
        if kind in there:
            state = "" if kind in HIDDEN else " checked"
            yield f'<label class="k-{kind}"><input type="checkbox" id="f-{kind}"{state}>'
            yield f"{name} <small>{there[kind]:,}</small></label>"
    yield '</span><span class="js keys">'
    yield '<button id="all" title="Fold or unfold every turn">Fold</button>'
    yield '<button id="next" title="To the next error (e)">Next error</button></span></nav>\n'


def _part(part: list[Entry], number: int, start: float) -> Iterator[str]:
    first, last = part[0], part[-1]
    rows = [_row(one, at, start) for at, one in enumerate(part, start=number)]
    if first.kind != "turn":
        yield f'<div class="between">{"".join(rows)}</div>\n'
        return
    asked = next((one.body for one in part if one.kind == "user" and one.body), "")
    ended = last.headline if last.kind == "turn" and len(part) > 1 else f"{first.headline}, open"
    wrong = sum(map(is_error, part))
    flag = f'<em class="bad">{counted(wrong, "error")}</em>' if wrong else ""
    tone = "bad" if wrong else "good"
    yield f'<details class="turn {tone}" id="e{number}" open><summary>'
    yield f"<time>{clock_text(first.ts - start)}</time><strong>{told(ended)}</strong>{flag}"
    yield f"<q>{told(safe_text(asked, limit=140))}</q></summary>"
    yield f"{''.join(rows[1:])}</details>\n"


def _row(entry: Entry, number: int, start: float) -> str:
    kind = _kind(entry)
    late = '<em class="warn">late</em> ' if entry.late else ""
    classes = f"e k-{kind} {entry.tone} d{entry.depth}" + (" err" if is_error(entry) else "")
    return (
        f'<article class="{classes}" id="e{number}">'
        f'<a class="at" href="#e{number}">{clock_text(entry.ts - start)}</a>'
        f'<span class="kind">{kind}</span>'
        f'<div class="said"><p>{late}{told(entry.headline)}</p>{body_of(entry.body)}</div>'
        "</article>\n"
    )


def body_of(body: str | None) -> str:
    """Return a body whole; a long one folded under its beginning."""
    if not body:
        return ""
    whole = told(body)
    lines = body.count("\n") + 1
    if len(body) <= SHORT_CHARACTERS and lines <= SHORT_LINES:
        return f"<pre>{whole}</pre>"
    begin = told(safe_text(body[:SHORT_CHARACTERS].split("\n", 1)[0], limit=160))
    size = f"{counted(lines, 'line')}, {counted(len(body), 'character')}"
    return f"<details><summary>{begin} <small>{size}</small></summary><pre>{whole}</pre></details>"


def _kind(entry: Entry) -> str:
    return "allowed" if is_allowance(entry) else entry.kind


def _asset(name: str) -> str:
    return (resources.files(__package__ or "") / name).read_text("utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
