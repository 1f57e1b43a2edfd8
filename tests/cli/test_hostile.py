"""What an agent says must not drive the terminal: each printing command, on a real terminal."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import unicodedata

import pytest

from headrace.cli.text import safe_text
from tests.cli.conftest import Stack, command_line, insert, line
from tests.support import unique

ATTACK = (
    "\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil\x1b\\\x9b31m\x90q\r\b\x7f"
    "\u202eevil\u2066\u200b\ufeff\u2028[bold red]markup[/] :bomb: \U000e0041end"
)
OF_IT = "WHERE session = {s:String}"
"""The stack may hold tens of thousands of others' events, and a terminal takes its time."""
RAW = ("--format", "TSVRaw")
OUR_STYLES = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(*args: str) -> str:
    """Run a command on a pseudo-terminal and return all that it wrote there."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"}
    with subprocess.Popen(
        command_line(*args), stdout=theirs, stderr=theirs, stdin=theirs, env=environ
    ) as child:
        os.close(theirs)
        written = bytearray()
        try:
            while chunk := os.read(ours, 65_536):
                written += chunk
        except OSError:  # EIO: the other side is closed
            child.wait(timeout=60)
        finally:
            child.kill()  # where the test ran out of time, it waits to be read
    os.close(ours)
    return written.decode()


def assert_harmless(written: str) -> None:
    assert written
    for character in OUR_STYLES.sub("", written):
        hostile = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        assert not hostile or character in "\r\n\t", repr(character)


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> str:
    name = unique() + ATTACK
    types = ("turn_begin", "llm_text", "tool_start", "tool_complete", "error", "turn_end", ATTACK)
    keys = ("user_message", "chunk", "tool", "error", "message", "status", "reason", ATTACK)
    events = [
        line(name, ATTACK, seq, kind, dict.fromkeys(keys, ATTACK), user=ATTACK, agent=ATTACK)
        for seq, kind in enumerate(types, start=2)
    ]
    insert(stack, [*events, line(name, ATTACK, 2, "x", {"a": ATTACK})])
    return name


@pytest.mark.parametrize(
    "args",
    [
        ("replay", ATTACK),
        ("replay", ATTACK, "--full"),
        ("replay", ATTACK, "--json"),
        ("verify", "--session", ATTACK),
        ("verify", "--session", ATTACK, "--json"),
        ("sessions", "--limit", "1000"),
        ("sessions", "--limit", "1000", "--json"),
        ("sql", "SELECT * FROM events " + OF_IT, "--param", f"s={ATTACK}"),
        ("sql", "SELECT data, session FROM events " + OF_IT, "--param", f"s={ATTACK}", *RAW),
        ("sql", "SELECT throwIf(1, {a:String})", "--param", f"a={ATTACK}"),
        ("replay", "none" + ATTACK),
        ("sql", "SELECT '" + ATTACK),
        (ATTACK,),
    ],
)
def test_no_command_lets_it_through(args: tuple[str, ...], tenant: str, stack: Stack) -> None:
    more: tuple[str, ...] = ()
    if len(args) > 1:
        more = ("--state-dir", str(stack.settings.state_dir))
    if args[0] in {"replay", "verify", "sessions"}:
        more += ("--tenant", tenant)
    assert_harmless(on_terminal(*args, *more))


def test_colour_is_for_terminals_that_want_it(
    tenant: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("replay", ATTACK, "--tenant", tenant, "--state-dir", str(stack.settings.state_dir))
    assert "\x1b[31m" in on_terminal(*args)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in on_terminal(*args)


def test_the_attack_is_one() -> None:
    with pytest.raises(AssertionError):
        assert_harmless(ATTACK)
    assert_harmless(safe_text(ATTACK))
