"""Silences: made, listed, ended, and what they mute."""

from __future__ import annotations

import getpass
import time
from datetime import datetime

import pytest

from headrace.cli.alerts.ids import pick
from headrace.cli.faults import CommandError
from headrace.events import topics
from tests.cli.alerting import alert, send
from tests.cli.conftest import Cli, Stack
from tests.cli.test_hostile import ATTACK, assert_harmless, on_terminal
from tests.support import unique


def test_a_silence_mutes_until_it_is_ended(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    one, other, over = (f"{tenant}-{number}" for number in range(3))
    alerts = [alert(tenant, one), alert(tenant, other, tool="read_file")]
    alerts.append(alert(tenant, over, "resolved"))
    send(stack, topics.ALERTS, [(each.id, each.encode()) for each in alerts])
    assert on_stack("alerts", "list", "--tenant", tenant).code == 1

    matchers = f'tenant="{tenant}",tool="run_sql"'
    (added,) = on_stack("silence", "add", matchers, "--for", "2h", "--by", "ann", "--json").objects
    assert added["mutes"] == [one]
    assert (added["matchers"], added["created_by"], added["state"]) == (matchers, "ann", "active")
    starts, ends = (datetime.fromisoformat(added[name]) for name in ("starts_at", "ends_at"))
    assert (ends - starts).total_seconds() == pytest.approx(7200)

    listed = on_stack("alerts", "list", "--tenant", tenant, "--json")
    muted = {each["id"]: each["silenced_by"] for each in listed.objects}
    assert muted == {one: [added["id"]], other: []}
    assert listed.code == 1
    rest = on_stack("silence", "add", f'tenant="{tenant}",tool=read_file', "--for", "5m")
    assert (rest.code, on_stack("alerts", "list", "--tenant", tenant).code) == (0, 0)
    assert f"fires now: ToolFailureRate, {tenant}, tool=read_file" in rest.out

    ended = on_stack("silence", "expire", added["id"][:12], "--json")
    assert ended.objects == [{"expired": [added["id"]]}]
    assert added["id"] not in on_stack("silence", "list").out
    (kept,) = (
        each
        for each in on_stack("silence", "list", "--all", "--json").objects
        if each["id"] == added["id"]
    )
    assert kept["state"] == "expired"
    assert on_stack("alerts", "list", "--tenant", tenant).code == 1


def test_a_silence_can_begin_later(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    send(stack, topics.ALERTS, [(tenant, alert(tenant, tenant).encode())])
    args = ("silence", "add", f"tenant={tenant}", "--starts-in", "1h", "--for", "1m", "--json")
    (added,) = on_stack(*args).objects
    assert added["created_by"] == getpass.getuser()
    assert datetime.fromisoformat(added["starts_at"]).timestamp() > time.time() + 3500
    assert added["state"] == "pending"
    (listed,) = on_stack("alerts", "list", "--tenant", tenant, "--json").objects
    assert listed["silenced_by"] == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("add", "", "--for", "1h"), "this would silence every alert"),
        (("add", "tenant=~.*", "--for", "1h"), "this would silence every alert"),
        (("add", "what ever", "--for", "1h"), 'write name="value"'),
        (("add", "tenant=x", "--for", "0s"), "must end after it starts"),
        (("add", "tenant=x", "--for", "long"), "is not a span"),
        (("add", "tenant=x"), "--for"),
        (("expire", "nothing-like-it"), "headrace silence list"),
    ],
)
def test_mistakes_are_one_line(args: tuple[str, ...], said: str, on_stack: Cli) -> None:
    ran = on_stack("silence", *args)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert said in ran.err


def test_the_beginning_of_an_id_is_enough_where_it_is_only_ones() -> None:
    ids = ["abc1", "abd2", "abd2e"]
    assert pick(["abc", "abd2", "abc1"], ids, "silence", "list") == ["abc1", "abd2"]
    for wrong, said in (("ab", "3 silences begin"), ("x", "no silence 'x'"), ("", "no silence ''")):
        with pytest.raises(CommandError, match=said):
            pick([wrong], ids, "silence", "list")


def test_what_a_silence_says_is_harmless(stack: Stack) -> None:
    there = ("--state-dir", str(stack.settings.state_dir))
    hostile = f"team={ATTACK.split()[0].replace(',', '')}"
    added = on_terminal(
        "silence", "add", f'x="{unique()}",{hostile}', "--for", "1h", "--comment", ATTACK, *there
    )
    assert_harmless(added)
    listed = on_terminal("silence", "list", *there)
    assert_harmless(listed)
    assert "owned" in listed
