from __future__ import annotations

import io

import pytest
from rich.console import Console

from headrace.cli.replay.entries import Entry
from headrace.cli.replay.show import Line, lines
from tests.cli.conftest import EPOCH, START, Cli, Stack, insert, line
from tests.support import unique


def plain(line: Line) -> str:
    return "".join(text for text, _ in line)


def test_a_session_reads_as_it_happened(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    insert(
        stack,
        [
            line(tenant, "s-1", 1, "turn_begin", {"user_message": "hello"}, turn=1),
            line(tenant, "s-1", 3, "llm_text", {"chunk": "Hel"}, turn=1),
            line(tenant, "s-1", 4, "llm_text", {"chunk": "lo"}, turn=1),
            line(tenant, "s-1", 4, "llm_text", {"chunk": "lo"}, turn=1),  # sent twice
            line(tenant, "s-1", 5, "turn_end", {"status": "ok"}, turn=1, duration_ms=400.0),
        ],
    )
    ran = on_stack("replay", "s-1", "--tenant", tenant)
    assert ran.code == 0
    assert ran.out == (
        f"session s-1, tenant {tenant}, 2023-11-14 22:13:20 UTC\n"
        "     0.000  turn 1\n"
        "     0.000    user\n"
        "                hello\n"
        f"     0.200    1 not in the archive: 2..2 of {EPOCH}\n"
        "     0.200    assistant\n"
        "                Hello\n"
        "     0.400  turn 1 ok, 400 ms\n"
        "400 ms; 1 turn; 0 model calls in 0 ms; 0 tool calls in 0 ms;"
        " 0 tokens in (0 cached), 0 out; 1 error\n"
    )
    entries = on_stack("replay", "s-1", "--tenant", tenant, "--json").objects
    assert [entry["kind"] for entry in entries] == ["turn", "user", "lost", "text", "turn"]
    assert entries[0]["ts"] == START + 0.1
    assert entries[-1]["facts"]["duration_ms"] == 400.0


def test_two_processes_in_one_session_are_told_by_time(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    other = "ffffffffffffffff"
    insert(
        stack,
        [
            line(tenant, "s", 1, "first", {}),
            # Its clock jumped back: its number still comes after.
            line(tenant, "s", 2, "third", {}, ts=START - 50),
            line(tenant, "s", 1, "second", {}, epoch=other, ts=START + 0.1),
            line(tenant, "s", 2, "fourth", {}, epoch=other, ts=START + 9),
        ],
    )
    entries = on_stack("replay", "s", "--tenant", tenant, "--json").objects
    told = [entry["headline"] for entry in entries]
    assert set(told[:3]) == {"first", "second", "third"}
    assert told.index("first") < told.index("third")
    assert told[3] == "fourth"


def test_long_text_is_cut_unless_asked(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "s", 1, "llm_text", {"chunk": "word " * 1_000 + "end"})])
    cut = on_stack("replay", "s", "--tenant", tenant).out
    assert "more characters" in cut
    assert "end\n" not in cut
    assert "end\n" in on_stack("replay", "s", "--tenant", tenant, "--full").out


def test_permissions_that_allowed_are_shown_when_asked(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    decisions = ["allow", "deny", "prompt"]
    insert(
        stack,
        [
            line(tenant, "s", seq, "permission_decision", {"tool": "sh", "decision": decision})
            for seq, decision in enumerate(decisions, start=1)
        ],
    )
    short = on_stack("replay", "s", "--tenant", tenant).out
    assert [text.rpartition(" ")[2] for text in short.splitlines()[1:-1]] == ["deny", "prompt"]
    full = on_stack("replay", "s", "--tenant", tenant, "--full").out
    assert [text.rpartition(" ")[2] for text in full.splitlines()[1:-1]] == decisions
    entries = on_stack("replay", "s", "--tenant", tenant, "--json").objects
    assert [entry["facts"]["decision"] for entry in entries] == decisions


def test_bodies_are_wrapped_at_words() -> None:
    entry = Entry(1.0, "text", "assistant", body="a bb ccc " * 6 + "\n\n  x" + "y" * 50)
    console = Console(width=46, file=io.StringIO())
    (_, *body) = [plain(line) for line in lines(entry, 1.0, full=False, wrap=console)]
    assert all(len(text) <= 46 and text.startswith(" " * 16) for text in body)
    words = " ".join(text.strip() for text in body).split()
    assert words[:18] == ["a", "bb", "ccc"] * 6
    assert "".join(words[18:]) == "x" + "y" * 50
    unwrapped = list(lines(entry, 1.0, full=False))
    assert len(unwrapped) == 4


@pytest.mark.parametrize("late", [True, False])
def test_headlines_are_wrapped_at_words(*, late: bool) -> None:
    headline = "model gpt call, 300 ms, 5,371 tokens in (5,248 cached), 5 out, tool_calls"
    entry = Entry(1.0, "model", headline, late=late)
    console = Console(width=46, file=io.StringIO())
    first, *rest = [plain(line) for line in lines(entry, 1.0, full=False, wrap=console)]
    assert max(map(len, (first, *rest))) <= 46
    assert first.startswith("     0.000    " + ("late: model" if late else "model"))
    assert rest
    assert all(text.startswith(" " * 16) for text in rest)
    assert " ".join([first, *rest]).split()[1 + late :] == headline.split()


def test_a_session_that_several_tenants_have_needs_the_tenant(on_stack: Cli, stack: Stack) -> None:
    session, one, two = unique(), unique(), unique()
    insert(stack, [line(one, session, 1, "x", {}), line(two, session, 1, "x", {})])
    ran = on_stack("replay", session)
    assert ran.code == 2
    assert f"add --tenant, one of {min(one, two)}, {max(one, two)}" in ran.err
    assert on_stack("replay", session, "--tenant", one).code == 0


def test_an_unknown_session_says_where_to_look(on_stack: Cli) -> None:
    for args in (("replay", "nowhere"), ("replay", "nowhere", "--tenant", "t")):
        ran = on_stack(*args)
        assert ran.code == 2
        assert "`headrace sessions`" in ran.err


def test_payloads_that_are_hard_to_read_are_told(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    payloads = [b'{"n":1e400}', b'{"a":1,"a":2}', b'{"big":123456789012345678901234567890}']
    prefix = line(tenant, "s", 1, "x", {}).partition(b',"seq"')[0]
    insert(
        stack,
        [
            prefix + b',"seq":%d,"ts":1700000000,"type":"x","data":%b}' % (seq, payload)
            for seq, payload in enumerate(payloads, start=1)
        ],
    )
    assert len(on_stack("replay", "s", "--tenant", tenant, "--json").objects) == 3
