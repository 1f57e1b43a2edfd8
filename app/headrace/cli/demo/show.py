"""The demo's second half: what was recorded, asked in SQL, told as a replay, accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from headrace.cli.archive import Archive
from headrace.cli.demo.performance import Accepted
from headrace.cli.demo.results import QUESTIONS, Question
from headrace.cli.output import cell, console, say
from headrace.cli.replay.read import read_session
from headrace.cli.replay.show import lines
from headrace.cli.replay.timeline import build
from headrace.cli.text import safe_text
from headrace.cli.verify import show as verify_show
from headrace.cli.verify.run import Verdict

REPLAYED: Final = ("acme", "refund-agreed")
"""Tenant and session that are told in full."""
INDENT: Final = "  "
GAP: Final = "   "
"""Between two columns."""


def show(archive: Archive, totals: Mapping[str, Any], verdict: Verdict, sent: Accepted) -> None:
    """Print everything, for a person."""
    heading(
        f"{totals['sessions']} sessions of {totals['tenants']} tenants,"
        f" {verdict.totals.archived:,} events in ClickHouse"
    )
    for question in QUESTIONS:
        ask(archive, question)
    tenant, session = REPLAYED
    heading(f"headrace replay {session} --tenant {tenant}")
    replay(archive, tenant, session)
    heading("headrace verify")
    accounting(verdict, sent)


def heading(text: str) -> None:
    out = console()
    out.print()
    out.print(Text(text, style="bold"))


def ask(archive: Archive, question: Question) -> None:
    """Print a question's SQL and its answer."""
    rows = archive.rows(question.sql)
    heading(question.title)
    out = console()
    for line in question.sql.splitlines():
        out.print(Text(INDENT + line, style="dim"), soft_wrap=True)
    columns = list(rows[0]) if rows else []
    cells = [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    for style, row in (("cyan", columns), *(("", row) for row in cells)):
        padded = [
            " " * (width - cell_len(text)) + text
            if name in question.numbers
            else text + " " * (width - cell_len(text))
            for name, text, width in zip(columns, row, widths, strict=True)
        ]
        out.print(Text(INDENT + GAP.join(padded).rstrip(), style=style), soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:,.0f}"  # noqa: PLR0124 - NaN: nothing to measure
    return cell(value)


def replay(archive: Archive, tenant: str, session: str) -> None:
    """Print one session as ``headrace replay`` does."""
    out = console()
    start: float | None = None
    for entry in build(read_session(archive, session, tenant)):
        start = entry.ts if start is None else start
        for line in lines(entry, start, full=False):
            out.print(line, soft_wrap=True)


def accounting(verdict: Verdict, sent: Accepted) -> None:
    """Print what ``headrace verify`` found, beside what the hook says."""
    say(f"the hook accepted {sent.accepted:,} events, Kafka acknowledged {sent.delivered:,}")
    verify_show.show(verdict)


def where(directory: object) -> None:
    """Print how to look at what was kept."""
    out = console()
    out.print()
    out.print(Text(f"Kept: headrace up --state-dir {safe_text(directory)}", style="dim"))
