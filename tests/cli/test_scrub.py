"""``headrace scrub``: a file is checked and tried, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import EPOCH, START, Cli, Stack, insert
from tests.cli.conftest import line as archived
from tests.support import unique

SECRET = "ann.bell.of.corp@corp.org"
RULES = """
[[rule]]
detect = ["email"]
[[rule]]
name = "code"
pattern = "c-[0-9]+"
hints = ["zz"]
"""


@pytest.fixture
def rules(tmp_path: Path) -> str:
    (tmp_path / "scrub.toml").write_text(RULES)
    return str(tmp_path / "scrub.toml")


def line(seq: int, **data: str) -> bytes:
    event = {"v": 1, "tenant": "acme", "session": SECRET, "epoch": EPOCH, "seq": seq}
    return orjson.dumps({**event, "ts": START, "type": "x", "data": data})


@pytest.fixture
def events(tmp_path: Path) -> str:
    lines = [line(1, to=SECRET), line(2, to="nobody"), line(3, n="c-1"), b'{"@a@b.org"', b""]
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    return str(tmp_path / "events.jsonl")


def test_check_lists_the_rules(cli: Cli, rules: str) -> None:
    ran = cli("scrub", "check", rules)
    assert (ran.code, ran.err) == (0, "")
    assert "email" in ran.out
    assert [one["rule"] for one in cli("scrub", "check", rules, "--json").objects] == [
        "email",
        "code",
    ]


def test_check_tells_every_mistake_with_its_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('[[rule]]\ndetect = ["x"]\n[[rule]]\npaths = ["data"]\n')
    ran = cli("scrub", "check", str(tmp_path / "bad.toml"))
    assert ran.code == 2
    assert [text.split(":")[1] for text in ran.err.splitlines()] == ["2", "3", "4"]


def test_test_tells_the_first_mistake_and_where_the_others_are_told(
    cli: Cli, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[[rule]]\ndetect = ["x"]\n[[rule]]\npaths = ["data"]\n')
    ran = cli("scrub", "test", str(bad))
    assert (ran.code, len(ran.err.splitlines())) == (2, 1)
    assert f"{bad}:2: " in ran.err
    assert ran.err.endswith("(2 more): see `headrace scrub check`\n")


def test_without_a_file_one_line_says_so(cli: Cli) -> None:
    ran = cli("scrub", "check")
    assert ran.code == 2
    assert "HEADRACE_SCRUB" in ran.err


def test_test_counts_and_shows_no_secret(cli: Cli, rules: str, events: str) -> None:
    ran = cli("scrub", "test", rules, "--file", events, "--json")
    email, code, whole = ran.objects
    assert ran.code == 1  # the hints of `code` are wrong
    assert (email["found"], email["in_events"], email["missed_by_hints"]) == (1, 1, 0)
    assert email["examples"] == [
        {"before": "****.org", "characters": len(SECRET), "after": "[redacted:email]"}
    ]
    assert (code["found"], code["missed_by_hints"]) == (0, 1)
    assert whole["kept"] == [{"rule": "email", "field": "session", "found": 3}]
    assert (whole["events"], whole["rewritten"], whole["unreadable"]) == (4, 1, 1)
    plain = cli("scrub", "test", rules, "--file", events)
    assert SECRET not in plain.out + ran.out
    assert "code: its hints let 1 pass" in plain.out
    assert "1 of 4 events would be rewritten" in plain.out


def test_test_reads_the_archive(on_stack: Cli, stack: Stack, rules: str) -> None:
    tenant = unique()
    lines = [archived(tenant, "s", seq, "x", {"to": SECRET}, user=SECRET) for seq in (1, 2)]
    insert(stack, [*lines, archived(tenant, "s", 3, "x", {"n": 1e300})])
    asked = ("scrub", "test", rules, "--since", "9999d", "--tenant", tenant, "--json")
    email, _, whole = on_stack(*asked).objects
    assert (email["found"], email["in_events"]) == (4, 2)
    assert (whole["events"], whole["rewritten"], whole["unreadable"]) == (3, 2, 0)
    assert on_stack(*asked, "--limit", "1").objects[-1]["events"] == 1
    assert on_stack(*asked[:3], "--tenant", tenant, "--json").objects[-1]["events"] == 0


def test_a_file_that_is_not_there_is_one_line(cli: Cli, rules: str, tmp_path: Path) -> None:
    ran = cli("scrub", "test", rules, "--file", str(tmp_path / "nowhere"))
    assert ran.code == 2
    assert ran.err.count("\n") == 1
