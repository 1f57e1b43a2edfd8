"""The demo's second half: what was recorded, asked in SQL, told as a replay, accounted for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from headrace.cli.archive import Row, connect
from headrace.cli.demo.axes import TOOL, Axes
from headrace.cli.demo.evidence import Trail
from headrace.cli.demo.performance import Accepted
from headrace.cli.demo.receiver import Receiver
from headrace.cli.demo.results import QUESTIONS, Question, totals
from headrace.cli.output import cell, console, say
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.read import read_session
from headrace.cli.replay.show import show as show_timeline
from headrace.cli.replay.timeline import build
from headrace.cli.text import safe_text
from headrace.cli.verify import show as verify_show
from headrace.cli.verify.queries import Scope
from headrace.cli.verify.run import Verdict, verify
from headrace.events.settings import Settings
from headrace.sinks.audit.verify.offline import lines_of

REPLAYED: Final = ("acme", "refund-agreed")
"""Tenant and session that are told in full."""
INDENT: Final = "  "
GAP: Final = "   "
"""Between two columns."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is shown, read while the stack still ran."""

    totals: Mapping[str, Any]
    answers: tuple[tuple[Question, list[Row]], ...]
    replayed: tuple[Entry, ...]
    verdict: Verdict


def find(settings: Settings) -> Findings:
    """Ask the archive everything that is shown. Raises CommandError."""
    verdict = verify(settings, Scope())
    tenant, session = REPLAYED
    with connect(settings) as archive:
        return Findings(
            totals=totals(archive),
            answers=tuple((question, archive.rows(question.sql)) for question in QUESTIONS),
            replayed=tuple(build(read_session(archive, session, tenant))),
            verdict=verdict,
        )


def show(found: Findings, sent: Accepted, heard: Receiver, trail: Trail, axes: Axes) -> None:
    """Print everything, for a person."""
    heading(
        f"{found.totals['sessions']} sessions of {found.totals['tenants']} tenants,"
        f" {found.verdict.totals.archived:,} events and log records in ClickHouse"
    )
    for question, rows in found.answers:
        answer(question, rows)
    alarms(heard)
    tenant, session = REPLAYED
    heading(f"headrace replay {session} --tenant {tenant}")
    show_timeline(found.replayed, full=False)
    four_axes(axes)
    heading("Evidence: selected by the policy, encrypted, sealed; decrypted here")
    table(
        ("scenario", "records", "kept", "the last of them"),
        [(one.scenario, one.records, one.kept, one.example) for one in trail.rows],
        right=("records",),
    )
    heading("headrace audit verify")
    for text in lines_of(trail.report):
        say(text)
    heading("headrace verify")
    say(
        f"{sent.accepted:,} events and log records were accepted from the agents,"
        f" Kafka acknowledged {sent.delivered:,}"
    )
    verify_show.show(found.verdict)


def alarms(heard: Receiver) -> None:
    """Print what the webhooks told, in the order in which they came."""
    heading(f"{heard.webhooks} webhooks arrived, each with a right signature")
    out = console()
    for one in heard.heard:
        style = "red" if one.status == "firing" else "green"
        line = Text(INDENT + f"{time.strftime('%H:%M:%S', time.gmtime(one.at))}  ", style="dim")
        line.append(f"{one.status:<10}", style=style)
        line.append(
            f"{one.severity:<10}{safe_text(one.name):<20}{safe_text(one.summary)}", style="default"
        )
        out.print(line, soft_wrap=True)


def four_axes(axes: Axes) -> None:
    """Print what logs, metrics and the trace say of the session that was just told."""
    heading(f"The same session in its logs, metrics and trace {axes.trace}")
    for log in axes.logs[-2:]:
        said = safe_text(log["message"], limit=60)
        say(f"{INDENT}log     {log['time']:%H:%M:%S} {log['level']} {log['logger']}{GAP}{said}")
    say(f'{INDENT}metric  agent_tool_calls_total{{tool="{TOOL}"}}{GAP}{axes.calls}')
    mark = "trace "
    for depth, span in axes.tree():
        say(f"{INDENT}{mark}  {INDENT * depth}{span['SpanName']}{GAP}{span['ms']:,.0f} ms")
        mark = " " * len(mark)


def heading(text: str) -> None:
    out = console()
    out.print()
    out.print(Text(text, style="bold"))


def answer(question: Question, rows: list[Row]) -> None:
    """Print a question's SQL and its answer."""
    heading(question.title)
    out = console()
    for line in question.sql.splitlines():
        out.print(Text(INDENT + line, style="dim"), soft_wrap=True)
    columns = list(rows[0]) if rows else []
    table(columns, [tuple(row.values()) for row in rows], right=question.numbers)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()
) -> None:
    """Print rows under their names. ``right`` names the columns with numbers."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *cells, strict=True)]
    out = console()
    for style, row in (("cyan", columns), *(("", row) for row in cells)):
        padded = [
            " " * (width - cell_len(text)) + text
            if name in right
            else text + " " * (width - cell_len(text))
            for name, text, width in zip(columns, row, widths, strict=True)
        ]
        out.print(Text(INDENT + GAP.join(padded).rstrip(), style=style), soft_wrap=True)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:,.0f}"  # noqa: PLR0124 - NaN: nothing to measure
    return cell(value)


def where(directory: object) -> None:
    """Print how to look at what was kept."""
    out = console()
    out.print()
    out.print(Text(f"Kept: headrace up --state-dir {safe_text(directory)}", style="dim"))
