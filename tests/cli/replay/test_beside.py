from __future__ import annotations

from rich.cells import cell_len

from headrace.cli.replay.diff.compare import compare
from headrace.cli.replay.diff.text import beside, unified
from tests.cli.replay.test_compare import Steps, of

LONG = "a result of many words and some wide ones 東京タワー " * 8


def tool(answer: str) -> Steps:
    about = {"tool": "t", "call_id": "c"}
    return [
        ("turn_begin", {"user_message": "hello"}),
        *[("note", {"number": number}) for number in range(9)],
        ("tool_start", about),
        ("tool_complete", {**about, "status": "ok"}),
        ("tool_result", {**about, "content": answer}),
    ]


def test_halves_stand_beside_each_other() -> None:
    diff = compare(of(*tool(LONG)), of(*tool("short")))
    whole = ["".join(text for text, _ in line) for line in beside(diff, 141, full=True)]
    assert max(map(cell_len, whole)) <= 141
    bars = [text for text in whole if " |" in text]
    assert "result changed:" in whole[whole.index(bars[0]) - 1]
    # The left half is 69 columns, then the sign.
    assert all(cell_len(text.split(" |")[0]) == 69 for text in bars)
    assert bars[0].count("tool t result") == 2
    said = " ".join(text.split(" |")[0].strip() for text in bars[1:]).split()
    assert "".join(said) == LONG.replace(" ", "")
    margins = {len(text) - len(text.lstrip()) for text in bars[1:]}
    assert margins == {16}


def test_below_each_other_they_are_as_wide_as_the_terminal() -> None:
    diff = compare(of(*tool(LONG)), of(*tool("short")))
    told = ["".join(text for text, _ in line) for line in unified(diff, full=True, width=60)]
    assert max(map(cell_len, told)) <= 60
    said = "".join(line[1:] for line in told if line.startswith("-") and line[-6:] != "result")
    assert LONG.replace(" ", "") in said.replace(" ", "")


def test_runs_of_the_same_are_folded() -> None:
    diff = compare(of(*tool("1")), of(*tool("2")))
    told = ["".join(text for text, _ in line) for line in unified(diff, full=False)]
    assert told[0] == "   … 11 the same"
    assert [text[0] for text in told[1:]] == [" ", " ", "@", "-", "-", "+", "+"]
    whole = list(unified(diff, full=True))
    assert not any("the same" in text for line in whole for text, _ in line)
