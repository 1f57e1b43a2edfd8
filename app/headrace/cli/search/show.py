"""Print what was found: by session for people, one a line for scripts."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Final

from rich.text import Text

from headrace.cli.output import console
from headrace.cli.search.find import Hit
from headrace.cli.search.snippet import Snippet
from headrace.cli.text import safe_text

_FOUND: Final = "bold yellow"


def show(hits: Iterable[Hit]) -> None:
    """Print hits under their sessions, in the order of each session's newest."""
    sessions: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        sessions.setdefault((hit.tenant, hit.session), []).append(hit)
    out = console()
    for number, found in enumerate(sessions.values()):
        if number:
            out.print()
        out.print(_heading(found[0]), soft_wrap=True)
        for hit in found:
            out.print(Text(f"  {_place(hit)}", style="dim"), soft_wrap=True)
            out.print(Text("      ").append_text(highlighted(hit.snippet)), soft_wrap=True)


def as_json(hit: Hit) -> dict[str, Any]:
    """Return a hit for a script. ``marks`` are places in the snippet, ends excluded."""
    return {
        "tenant": hit.tenant,
        "session": hit.session,
        "user": hit.user,
        "epoch": hit.epoch,
        "seq": hit.seq,
        "turn": hit.turn,
        "ts": hit.ts,
        "time": _time(hit).isoformat(),
        "type": hit.type,
        "field": hit.field,
        "snippet": hit.snippet.text,
        "marks": [list(mark) for mark in hit.snippet.marks],
        "replay": replay_command(hit),
    }


def replay_command(hit: Hit) -> str:
    """Return the command that goes on from here, ready to paste."""
    words = ["headrace", "replay", "--tenant", hit.tenant, "--", hit.session]
    if not hit.session.startswith("-"):
        words.remove("--")
    return shlex.join(words)


def highlighted(snippet: Snippet) -> Text:
    """Return the snippet for a terminal, with what was found standing out."""
    line = Text()
    end = 0
    for begin, stop in snippet.marks:
        line.append(safe_text(snippet.text[end:begin]))
        line.append(safe_text(snippet.text[begin:stop]), style=_FOUND)
        end = stop
    return line.append(safe_text(snippet.text[end:]))


def _heading(hit: Hit) -> Text:
    who = f" of {safe_text(hit.user)}" if hit.user else ""
    name = f"{safe_text(hit.session)}{who}, tenant {safe_text(hit.tenant)}"
    return Text(name, style="bold").append(f"   {safe_text(replay_command(hit))}", style="dim")


def _place(hit: Hit) -> str:
    turn = "" if hit.turn is None else f"  turn {hit.turn}"
    what = safe_text(hit.type) if hit.field == "other" else f"{safe_text(hit.type)}, {hit.field}"
    return f"{_time(hit):%Y-%m-%d %H:%M:%S}{turn}  {what}"


def _time(hit: Hit) -> datetime:
    return datetime.fromtimestamp(hit.ts, tz=timezone.utc)
