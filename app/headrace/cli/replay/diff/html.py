"""A comparison as one HTML file, as self-contained as a replay's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TextIO

from headrace.cli.replay.diff.compare import EXTRA, MISSING, SAME, Diff, Row
from headrace.cli.replay.diff.report import divergences, sums_table, verdict
from headrace.cli.replay.entries import Entry
from headrace.cli.replay.html import body_of, header, page, told
from headrace.cli.replay.show import clock_text, counted
from headrace.cli.replay.story import Story
from headrace.cli.replay.sums import is_error

FOLDED = 4
"""So many rows in a row that are the same are folded."""

Numbered = tuple[int, Row]


def write(diff: Diff, out: TextIO) -> None:
    """Write the page."""
    names = f"{diff.left.about.session} and {diff.right.about.session}"
    out.writelines(page(f"{names} · headrace replay", _body(diff)))


def _body(diff: Diff) -> Iterator[str]:
    yield '<header><div class="both"><div>'
    yield from header("left", diff.left.about)
    yield "</div><div>"
    yield from header("right", diff.right.about)
    yield "</div></div>"
    yield from _sums(diff)
    yield f'<div class="first{"" if diff.first(words=True) else " same"}">'
    yield f"<p><strong>{told(verdict(diff))}</strong></p>"
    for number, sentence in divergences(diff):
        yield f'<p><a href="#r{number}">{told(sentence)}</a></p>'
    yield "</div></header>\n"
    yield '<nav class="bar js"><input id="search" type="search" placeholder="Search (/)" '
    yield 'aria-label="Search"><span id="found" role="status"></span><span class="kinds"></span>'
    yield '<span class="keys"><button id="all" title="Fold or unfold every turn">Fold</button>'
    yield '<button id="next" title="To the next difference (e)">Next difference</button></span>'
    yield "</nav>\n<main>\n"
    number = 0
    for part in diff.parts:
        yield from _part(diff, list(enumerate(part, start=number)))
        number += len(part)
    yield '</main>\n<p id="none" hidden>Nothing on this page fits.</p>\n'


def _sums(diff: Diff) -> Iterator[str]:
    yield "<table><thead><tr><th></th><th>left</th><th>right</th><th>difference</th></tr></thead>"
    yield "<tbody>"
    for name, *cells in sums_table(diff):
        yield f"<tr><td>{name}</td>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</tbody></table>\n"


def _part(diff: Diff, rows: list[Numbered]) -> Iterator[str]:
    changed = sum(row.status != SAME for _, row in rows)
    one = rows[0][1].left or rows[0][1].right
    name = one.headline if one and one.kind == "turn" else "between turns"
    flag = f'<em class="warn">{counted(changed, "difference")}</em>' if changed else ""
    state = " open" if changed else ""
    both = (entry for _, row in rows for entry in (row.left, row.right))
    asked = next((entry.body for entry in both if entry and entry.kind == "user"), "")
    yield f'<details class="turn"{state}><summary><strong>{told(name)}</strong>{flag}'
    yield f"<q>{told((asked or '')[:140])}</q></summary>"
    for same, group in groupby(rows, key=lambda numbered: numbered[1].status == SAME):
        run = list(group)
        if same and len(run) >= FOLDED:
            yield f'<details class="fold"><summary>{len(run):,} the same</summary>'
            yield from _pairs(diff, run)
            yield "</details>"
        else:
            yield from _pairs(diff, run)
    yield "</details>\n"


def _pairs(diff: Diff, rows: Iterable[Numbered]) -> Iterator[str]:
    for number, row in rows:
        tone = row.status if row.status in {SAME, EXTRA, MISSING} else "changed"
        said = "" if row.status == SAME else row.status
        yield f'<div class="pair {tone}" id="r{number}">'
        yield f'<div>{_cell(row.left, diff.left)}</div><div class="what">{said}</div>'
        yield f"<div>{_cell(row.right, diff.right)}</div></div>\n"


def _cell(entry: Entry | None, story: Story) -> str:
    if entry is None:
        return ""
    wrong = " err" if is_error(entry) else ""
    return (
        f'<article class="e k-{entry.kind} {entry.tone}{wrong}">'
        f'<span class="at">{clock_text(entry.ts - story.start)}</span>'
        f'<div class="said"><p>{told(entry.headline)}</p>{body_of(entry.body)}</div></article>'
    )
