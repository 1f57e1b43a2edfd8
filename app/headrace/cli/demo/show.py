"""The demo's second half: what was recorded, asked in SQL, told as a replay, accounted for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from headrace.cli.archive import Archive
from headrace.cli.demo.performance import Accepted
from headrace.cli.demo.results import QUESTIONS, Question
from headrace.cli.output import cell, console
from headrace.cli.replay.read import read_session
from headrace.cli.replay.show import lines
from headrace.cli.replay.timeline import build
from headrace.cli.text import safe_text
from headrace.cli.verify.accounting import Totals

REPLAYED: Final = ("acme", "where-is-my-kettle")
"""Tenant and session that are told in full."""


def show(archive: Archive, totals: Mapping[str, Any], account: Totals, sent: Accepted) -> None:
    """Print everything, for a person."""
    heading(
        f"{totals['sessions']} sessions of {totals['tenants']} tenants,"
        f" {account.archived:,} events in ClickHouse"
    )
    for question in QUESTIONS:
        ask(archive, question)
    tenant, session = REPLAYED
    heading(f"headrace replay {session} --tenant {tenant}")
    replay(archive, tenant, session)
    heading("headrace verify")
    accounting(account, sent)


def heading(text: str) -> None:
    out = console()
    out.print()
    out.print(Text(text, style="bold"))


def ask(archive: Archive, question: Question) -> None:
    """Print a question's SQL and its answer."""
    rows = archive.rows(question.sql)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="cyan")
    columns = list(rows[0]) if rows else []
    for name in columns:
        table.add_column(name, justify="right" if name in question.numbers else "left")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    heading(question.title)
    out = console()
    out.print(Padding(Text(question.sql, style="dim"), (0, 0, 0, 2)))
    out.print(Padding(table, (0, 0, 0, 2)))


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


def accounting(account: Totals, sent: Accepted) -> None:
    """Print where every event is."""
    parts = [
        f"{account.archived:,} archived",
        f"{account.dead_lettered:,} set aside",
        f"{sum(account.dropped.values()):,} dropped",
        f"{account.in_flight:,} in flight",
        f"{account.missing:,} missing",
    ]
    out = console()
    out.print(Text(f"  accepted by the hook  {sent.accepted:,}"))
    out.print(Text(f"  acknowledged by Kafka {sent.delivered:,}"))
    out.print(Text(f"  found in ClickHouse   {account.accepted:,} = {' + '.join(parts)}"))
    fine = adds_up(account, sent)
    verdict = "every event is accounted for" if fine else "this does not add up"
    out.print(Text(f"  {verdict}", style="bold green" if fine else "bold red"))


def adds_up(account: Totals, sent: Accepted) -> bool:
    """Whether the archive has exactly what the hook took."""
    dropped = sum(sent.dropped.values())
    return account.missing == 0 and account.archived + dropped == sent.accepted


def where(directory: object) -> None:
    """Print how to look at what was kept."""
    out = console()
    out.print()
    out.print(Text(f"Kept: headrace up --state-dir {safe_text(directory)}", style="dim"))
