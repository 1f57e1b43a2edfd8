"""Tables on a terminal: framed where whole words fit, else plain."""

from __future__ import annotations

import io

import pytest

from headrace.cli.output import print_table

COLUMNS = ("at", "rule", "since")
ROW = ("2026-05-04 12:30:10", "ToolFailureRate", "2026-05-04 12:30:10")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("width", "framed"), [(80, True), (50, True), (45, True), (44, False)])
def test_no_word_is_cut(width: int, *, framed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    print_table(COLUMNS, [ROW])
    said = terminal.getvalue()
    assert ("┃" in said) == framed
    assert "ToolFailureRate" in said
    assert said.count("2026-05-04") == said.count("12:30:10") == 2
