"""Alerts: listed with what mutes them; deliveries; rules checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from headrace.events import topics
from headrace.streams.alerts import rules
from headrace.streams.alerts.prometheus_rules import write
from headrace.streams.notify.codec import decode_delivery, encode_delivery
from tests.cli.alerting import alert, delivery, send, written
from tests.cli.conftest import Cli, Ran, Stack
from tests.cli.test_hostile import ATTACK, assert_harmless, on_terminal
from tests.support import unique

MUTING = """
[[rule]]
name = "ToolFailureRate"
ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
window = "5m"
above = 0.1
group_by = ["tool"]
[[rule]]
name = "EveryToolFails"
ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
window = "5m"
above = 0.5
inhibits = ["ToolFailureRate"]
"""


def test_alerts_are_listed_in_order_with_what_they_say(
    on_stack: Cli, stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = unique()
    told = {
        f"{tenant}-over": alert(tenant, f"{tenant}-over", "resolved", value=None),
        f"{tenant}-never": alert(tenant, f"{tenant}-never", "inactive", ends_at=1.0),
        f"{tenant}-waits": alert(tenant, f"{tenant}-waits", "pending"),
        f"{tenant}-fires": alert(tenant, f"{tenant}-fires"),
    }
    records = [(name, one.encode()) for name, one in told.items()]
    broken = orjson.dumps({**orjson.loads(records[0][1]), "tenant": 7, "id": "x"})
    records += [(f"{tenant}-x", broken), (f"{tenant}-y", b"[]")]
    send(stack, topics.ALERTS, records)

    ran = on_stack("alerts", "list", "--tenant", tenant)
    assert ran.code == 1
    header, _, firing, pending = ran.out.splitlines()
    assert firing.split()[:5] == ["firing", "warning", "ToolFailureRate", tenant, "tool=run_sql"]
    assert "  23 %  > 10 %     2025-11-24 16:00:00" in firing
    assert firing.endswith("ops")
    assert pending.startswith("pending")
    assert header.index("threshold") == firing.index("> 10 %")
    assert f"b'{tenant}-x' is passed over" in caplog.text
    assert f"b'{tenant}-y' is passed over" in caplog.text

    everything = on_stack("alerts", "list", "--tenant", tenant, "--all", "--json").objects
    assert [one["id"] for one in everything] == [
        f"{tenant}-{name}" for name in ("fires", "waits", "over", "never")
    ]
    assert everything[0]["starts_at"] == "2025-11-24T16:00:00+00:00"
    assert everything[2]["ends_at"] == "2025-11-24T16:01:00+00:00"
    for state, code in (("firing", 1), ("pending", 0), ("resolved", 0)):
        some = on_stack("alerts", "list", "--tenant", tenant, "--state", state, "--json")
        assert ([one["state"] for one in some.objects], some.code) == ([state], code)
    none = on_stack("alerts", "list", "--tenant", tenant, "--rule", "Other")
    assert (none.code, none.out.splitlines()[-1]) == (0, "no alerts")


def test_an_alert_that_another_mutes_is_no_bad_news(
    on_stack: Cli, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rules.toml").write_text(MUTING)
    monkeypatch.setenv("HEADRACE_ALERT_RULES", str(tmp_path / "rules.toml"))
    tenant = unique()
    small, large = alert(tenant, f"{tenant}-1"), alert(tenant, f"{tenant}-2")
    labels = {"alertname": "EveryToolFails", "tenant": tenant}
    large = replace(large, rule="EveryToolFails", group={"tenant": tenant}, labels=labels)
    send(stack, topics.ALERTS, [(one.id, one.encode()) for one in (small, large)])
    ran = on_stack("alerts", "list", "--tenant", tenant, "--rule", "ToolFailureRate")
    assert ran.code == 0
    assert f"inhibited by {large.id}" in ran.out
    assert on_stack("alerts", "list", "--tenant", tenant).code == 1


def test_a_hostile_alert_is_harmless(stack: Stack) -> None:
    one = alert(unique() + ATTACK, unique(), tool=ATTACK, annotations={ATTACK: ATTACK})
    one = replace(one, rule=ATTACK, severity=ATTACK, receivers=(ATTACK,), comparison=ATTACK)
    send(stack, topics.ALERTS, [(one.id, one.encode()), (ATTACK, b'{"state":"\\u001b[2J"}')])
    parked = delivery(unique(), "parked", ATTACK, reason=ATTACK)
    send(stack, topics.DELIVERIES, [(parked.id, encode_delivery(parked))])
    there = ("--state-dir", str(stack.settings.state_dir))
    for args in (("alerts", "list"), ("alerts", "list", "--json"), ("alerts", "deliveries")):
        said = on_terminal(*args, *there)
        assert_harmless(said)
        assert "owned" in said
        assert "deliveries" in args or "is passed over" in said
    assert_harmless(on_terminal("alerts", "redeliver", ATTACK, *there))
    assert_harmless(on_terminal("alerts", "test", "--rule", ATTACK, *there))


def test_deliveries_are_listed_and_asked_for_again(on_stack: Cli, stack: Stack) -> None:
    receiver = unique()
    names = [f"msg_{receiver}_{number}" for number in range(4)]
    states = ("delivered", "parked", "parked", "retrying")
    made = [
        delivery(name, state, receiver, reason="answered 404", next_at=None)
        for name, state in zip(names, states, strict=True)
    ]
    send(stack, topics.DELIVERIES, [(one.id, encode_delivery(one)) for one in made])

    ran = on_stack("alerts", "deliveries", "--receiver", receiver)
    assert ran.out.splitlines()[-1] == "2 parked, 1 delivered, 1 retrying"
    assert "acme, alertname=A" in ran.out
    args = ("alerts", "deliveries", "--receiver", receiver, "--status", "parked", "--json")
    parked = on_stack(*args).objects
    assert [one["id"] for one in parked] == names[1:3]
    assert parked[0]["first_at"] == "2025-11-24T16:00:00+00:00"

    wrong = on_stack("alerts", "redeliver", names[1], names[0])
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "headrace alerts deliveries --status parked" in wrong.err
    assert asked(stack, names) == [], "nothing is asked for where one of them is wrong"
    assert on_stack("alerts", "redeliver", names[1], "--json").objects == [{"asked": [names[1]]}]
    assert asked(stack, names) == [names[1]]
    everything = on_stack("alerts", "redeliver", "--all-parked", "--json").objects[0]["asked"]
    assert names[2] in everything
    assert set(asked(stack, names)) == {names[1], names[2]}
    for nothing in ((), (names[0], "--all-parked")):
        assert (
            "name the deliveries, or say --all-parked"
            in on_stack("alerts", "redeliver", *nothing).err
        )


def asked(stack: Stack, names: list[str]) -> list[str]:
    """Which deliveries somebody asked for, whatever became of it since."""
    return [
        name
        for name in names
        if any(
            decode_delivery(value).status == "asked"
            for value in written(stack, topics.DELIVERIES, name)
        )
    ]


def test_every_mistake_in_a_rules_file_is_a_line(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(MUTING.replace("above = 0.1", "abov = 0.1").replace("above = 0.5", ""))
    ran = cli("alerts", "check", str(file))
    assert (ran.code, ran.out) == (2, "")
    assert [line.partition(": ")[0] for line in ran.err.splitlines()] == [
        f"{file}:{line}" for line in (2, 6, 8)
    ]
    assert_as_json(cli, file, ran)
    tested = cli("alerts", "test", str(file))
    assert tested.code == 2
    assert tested.err.endswith("(2 more): see `headrace alerts check`\n")


def test_receivers_are_checked_with_their_secrets(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(
        MUTING + '[[receiver]]\nname = "default"\nkind = "webhook"\nurl = "https://x.example/"\n'
        'secret_env = "OPS_SECRET"\n[[receiver]]\nname = "other"\nkind = "pigeon"\n'
        '[[receiver]]\nkind = "webhook"\n'
    )
    ran = cli("alerts", "check", str(file))
    assert ran.code == 2
    lines = ran.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [f"{file}:{n}" for n in (18, 21, 22)]
    assert "OPS_SECRET" in lines[0]
    assert "receiver 3: it has no name" in lines[2]
    assert_as_json(cli, file, ran)
    monkeypatch.setenv("OPS_SECRET", "whsec_" + "A" * 43 + "=")
    file.write_text(file.read_text().partition('[[receiver]]\nname = "other"')[0])
    ran = cli("alerts", "check", str(file))
    assert (ran.code, ran.out) == (0, f"{file}: 2 rules, 1 receiver\n")
    told = cli("alerts", "check", str(file), "--json")
    assert (told.code, told.err) == (0, "")
    names = ("ToolFailureRate", "EveryToolFails")
    assert told.objects == [
        {
            "source": str(file),
            "valid": True,
            "mistakes": [],
            "rules": [{"rule": one, "severity": "warning"} for one in names],
            "receivers": [{"receiver": "default", "kind": "webhook"}],
        }
    ]


def assert_as_json(cli: Cli, file: Path, ran: Ran) -> None:
    """A script is told every mistake that a person is."""
    told = cli("alerts", "check", str(file), "--json")
    (found,) = told.objects
    assert (told.code, told.err, found["valid"]) == (2, "", False)
    assert found["source"] == str(file)
    lines = [f"{file}:{one['line']}: {one['text']}" for one in found["mistakes"]]
    assert lines == ran.err.splitlines()


def test_the_configured_rules_are_checked_else_the_shipped(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "the shipped file: 5 rules, no receivers: nobody is told\n"
    assert cli("alerts", "check").out == said
    monkeypatch.setenv("HEADRACE_ALERT_RULES", str(tmp_path / "mine.toml"))
    (tmp_path / "mine.toml").write_text(MUTING)
    assert cli("alerts", "check").out.startswith(f"{tmp_path / 'mine.toml'}: 2 rules")


def test_rules_are_written_for_prometheus(cli: Cli, tmp_path: Path) -> None:
    assert cli("alerts", "prometheus-rules").out == write(rules.load())
    (tmp_path / "mine.toml").write_text(MUTING)
    mine = cli("alerts", "prometheus-rules", str(tmp_path / "mine.toml"))
    assert mine.out == write(rules.loads(MUTING))
