"""Tables on a terminal: framed where whole words fit, else each row with its names."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import pytest
from rich.cells import cell_len

from headrace.cli.output import print_table

COLUMNS = ("at", "rule", "since")
ROW = ("2026-05-04 12:30:10", "ToolFailureRate", "2026-05-04 12:30:10")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def printed(
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> str:
    """What a table is on a terminal so wide."""
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    print_table(columns, rows)
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())


@pytest.mark.parametrize(("width", "framed"), [(80, True), (50, True), (45, True), (44, False)])
def test_no_word_is_cut(width: int, *, framed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(monkeypatch, width, COLUMNS, [ROW])
    assert ("┃" in said) == framed
    assert "ToolFailureRate" in said
    assert said.count("2026-05-04") == said.count("12:30:10") == 2
    assert max(map(cell_len, said.splitlines())) <= width


WIDE = ("tenant", "session", "user", "started", "asked", "errors")
LONG = "word " * 30


@pytest.mark.parametrize("width", range(76, 110))
def test_a_frame_is_as_wide_as_the_terminal_at_most(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ("acme", "audit-50c4639c0a6d62a8", "root", "2026-05-04 12:30:10", "what is it", 12345)
    said = printed(monkeypatch, width, WIDE, [row])
    lines = said.splitlines()
    assert lines[0].endswith("┓")
    assert max(map(cell_len, lines)) <= width
    assert {"errors", "12,345", "audit-50c4639c0a6d62a8", "2026-05-04"} <= set(said.split())


@pytest.mark.parametrize("width", [40, 60, 80])
def test_what_fits_no_frame_is_told_row_by_row(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = (*WIDE, "another", "and one more")
    rows = [
        ("acme", "a-session-with-a-long-name", None, "2026-05-04 12:30:10", LONG, 1),
        ("globex", "another-session-of-some-length", "ann", "2026-05-04 12:30:11", "顧客" * 40, 0),
    ]
    said = printed(monkeypatch, width, columns, [(*row, "x" * 24, "y" * 24) for row in rows])
    lines = said.splitlines()
    starts = [line.split("  ")[0] for line in lines if not line.startswith(" ")]
    assert starts == ["tenant: acme", "tenant: globex"]
    assert max(map(cell_len, lines)) <= width
    assert said.count("user: ") == 1, "an empty cell is left out"
    assert said.count("word") == 30
    assert said.count("顧") == said.count("客") == 40


def test_no_rows_show_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 30, WIDE, []).split() == list(WIDE)
