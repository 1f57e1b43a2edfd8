"""A session as Markdown that reads well in a pull request.

What the agent said stands in code, where Markdown means nothing: no link, no image, no mention, no
tag of theirs comes to life. A fence is longer than any that is in there.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from html import escape
from typing import Final, TextIO

from headrace.cli.replay.entries import Entry
from headrace.cli.replay.show import clock_text, counted, date_text, is_allowance, sums_text
from headrace.cli.replay.story import Story, turns
from headrace.cli.replay.sums import About, is_error
from headrace.cli.text import safe_text

BODY_CHARACTERS: Final = 1_500
"""Of a body without --full: a comment on GitHub holds 65,536 in all."""
WIDTH: Final = 100
"""Columns at which prose is wrapped: code is not, where it is shown."""
_PLAIN: Final = re.compile(
    r"(?!.*www\.)([A-Za-z0-9 ,.()/%-]|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))*", re.IGNORECASE
)
_TICKS: Final = re.compile(r"`+")
_MARKS: Final = {"good": "✓ ", "bad": "✗ "}


def write(story: Story, out: TextIO, *, full: bool) -> None:
    """Write a session."""
    out.writelines(line + "\n" for line in _lines(story, full=full))


def _lines(story: Story, *, full: bool) -> Iterator[str]:
    yield from headed("Session", story.about)
    yield f"**{'; '.join(sums_text(story.sums))}**"
    yield ""
    wrong = [one for one in story.entries if is_error(one)]
    if wrong:
        yield f"### {counted(len(wrong), 'error')}"
        yield ""
        yield from (_item(one, story.start) for one in wrong[:20])
        yield ""
    for part in turns(story.entries):
        yield from _part(part, story.start, full=full)


def headed(word: str, about: About) -> Iterator[str]:
    """Yield a heading, and below it whose session it is."""
    yield f"## {word} {span(about.session)}"
    yield ""
    parts = [f"tenant {span(about.tenant)}"]
    parts += [f"user {span(user)}" for user in about.users]
    parts += [f"agent {span(agent)}" for agent in about.agents]
    parts += [f"trace {span(trace)}" for trace in list(about.traces)[:3]]
    parts += [date_text(about.start)] if about.start is not None else []
    yield ", ".join(parts)
    yield ""


def _part(part: list[Entry], start: float, *, full: bool) -> Iterator[str]:
    if part[0].kind != "turn":
        yield from _entries(part, start, full=full)
        return
    last = part[-1]
    said = last.headline if last.kind == "turn" else f"{part[0].headline}, open"
    mark = "✗" if any(map(is_error, part)) else "✓"
    at = clock_text(part[0].ts - start)
    yield f"<details open><summary>{mark} <b>{_html(said)}</b> at {at}</summary>"
    yield ""
    yield from _entries(part[1:], start, full=full)
    yield "</details>"
    yield ""


def _entries(entries: Iterable[Entry], start: float, *, full: bool) -> Iterator[str]:
    for entry in entries:
        if is_allowance(entry) and not full:
            continue
        yield _item(entry, start)
        if entry.body:
            yield ""
            yield from _body(entry, full=full)
        yield ""


def _item(entry: Entry, start: float) -> str:
    late = "late: " if entry.late else ""
    mark = _MARKS.get(entry.tone, "")
    return f"- {clock_text(entry.ts - start)} {mark}{late}{inline(entry.headline)}"


def _body(entry: Entry, *, full: bool) -> Iterator[str]:
    limit = None if full else BODY_CHARACTERS
    text = safe_text(entry.body, newlines=True, limit=limit)
    lines = text.split("\n")
    if entry.kind in {"user", "text", "thinking"}:
        lines = [piece for line in lines for piece in textwrap.wrap(line, WIDTH) or [""]]
    fence = fence_for(text)
    yield f"  {fence}text"
    yield from (f"  {line}" for line in lines)
    yield f"  {fence}"


def fence_for(text: str) -> str:
    """Return a fence that nothing in the text closes."""
    return "`" * max(3, 1 + max(map(len, _TICKS.findall(text)), default=0))


def inline(text: str) -> str:
    """Return a headline: as it is where it holds nothing special, else as code."""
    safe = safe_text(text, limit=300)
    return safe if _PLAIN.fullmatch(safe) else span(safe)


def span(text: str) -> str:
    """Return text as code within a line."""
    safe = safe_text(text)
    ticks = "`" * (1 + max(map(len, _TICKS.findall(safe)), default=0))
    pad = " " if "`" in safe or safe != safe.strip() or not safe else ""
    return f"{ticks}{pad}{safe}{pad}{ticks}"


def _html(text: str) -> str:
    safe = safe_text(text, limit=300)
    return safe if _PLAIN.fullmatch(safe) else f"<code>{escape(safe)}</code>"
