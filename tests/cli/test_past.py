"""Rules tried on the archive, and what became of alerts."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.alerts.panes import metrics_of
from headrace.events.metrics import METRICS
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import load
from headrace.streams.alerts.transition import Transition
from tests.alerts.five import FIVE
from tests.alerts.support import T0, Clock, logged, pane, run
from tests.cli.alerting import alert
from tests.cli.archived import insert_panes, insert_transitions
from tests.cli.conftest import Cli, Stack
from tests.cli.test_hostile import ATTACK, assert_harmless, on_terminal
from tests.support import unique

UNTIL = 2500
METRICS_READ = metrics_of(load())
OF_PROGRESS = re.compile(r"\x1b\[(?:\?25[lh]|2K|1A)")
"""How our own bar hides the cursor and goes away."""


def at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat()


@pytest.fixture(scope="module")
def panes(stack: Stack) -> list[PaneRecord]:
    """Half an hour in which each of the five rules fires, and the same doubled of a neighbour."""
    tenant = unique()
    found = [replace(one, tenant=tenant) for case in FIVE for one in case.panes()]
    others = [replace(one, tenant=f"{tenant}-other") for case in FIVE for one in case.panes(2.0)]
    insert_panes(stack, [*found, *others])
    return found


def tried(on_stack: Cli, tenant: str, *args: str) -> list[dict[str, Any]]:
    ran = on_stack("alerts", "test", *args, "--tenant", tenant, "--json")
    assert (ran.code, ran.err) == (0, "")
    return ran.objects


def span(start: int, end: int) -> tuple[str, ...]:
    return ("--from", at(T0 + start)[:19], "--to", at(T0 + end).replace("+00:00", "Z"))


def episodes_of(transitions: Sequence[Transition]) -> set[tuple[Any, ...]]:
    """Each alert's id, and when it began, fired and ended."""
    times: dict[str, dict[str, str]] = {}
    for one in transitions:
        times.setdefault(one.id, {"rule": one.rule})[one.state] = at(one.pane)
    return {
        (name, seen["rule"], seen["pending"], seen["firing"], seen["resolved"])
        for name, seen in times.items()
    }


def test_the_archive_says_what_an_engine_says(panes: list[PaneRecord], on_stack: Cli) -> None:
    tenant = panes[0].tenant
    clock = Clock()
    oracle = logged(run(Engine(load(), clock), clock, panes, T0 + UNTIL))
    found = tried(on_stack, tenant, *span(0, UNTIL))
    assert [(one["rule"], one["fired"], one["pages"]) for one in found] == [
        (rule.name, 1, 1) for rule in load().rules
    ]
    assert {
        (each["id"], one["rule"], each["began_at"], each["fired_at"], each["ended_at"])
        for one in found
        for each in one["episodes"]
    } == episodes_of(oracle)
    assert {each["group"]["tenant"] for one in found for each in one["episodes"]} == {tenant}


def test_a_table_for_people(panes: list[PaneRecord], on_stack: Cli) -> None:
    # An hour's slice ends amid the panes.
    ran = on_stack("alerts", "test", *span(-1000, UNTIL), "--tenant", panes[0].tenant)
    read = {(one.metric, one.labels, one.start) for one in panes if one.metric in METRICS_READ}
    head, _, _, first, *_ = ran.out.splitlines()
    assert head == (
        "2025-11-24 15:43:20 to 2025-11-24 16:41:40 (UTC), 5 rules of the shipped file, "
        f"{len(read):,} panes"
    )
    assert first.split() == ["ToolFailureRate", "1", "7m", "7m", "1", "20", "%", ">", "10", "%"]
    assert "never fired" not in ran.out
    assert "tool=run_sql" in ran.out


def test_what_is_before_the_span_makes_its_windows_whole(
    panes: list[PaneRecord], on_stack: Cli
) -> None:
    """The windows of the span's first panes reach back before it."""
    tenant = panes[0].tenant
    (case,) = (case for case in FIVE if case.rule == "ConfirmTimeoutRate")
    fired = case.transitions[1][1]
    (one,) = tried(on_stack, tenant, *span(fired - 40, UNTIL), "--rule", case.rule)
    (episode,) = one["episodes"]
    assert episode["fired_at"] == at(T0 + fired)
    assert episode["samples"] == case.samples
    (none,) = tried(on_stack, tenant, *span(fired, fired + 600), "--rule", case.rule)
    assert (none["fired"], none["pages"], none["episodes"]) == (0, 0, [])


def test_a_threshold_can_be_tuned(panes: list[PaneRecord], on_stack: Cli, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[rule]]\nname = "Mine"\nratio = { numerator = ["agent.tool.failures"], denominator = '
        '["agent.tool.calls"] }\nwindow = "5m"\nabove = 0.25\ngroup_by = ["tool"]'
    )
    args = ("alerts", "test", str(file), *span(0, UNTIL), "--tenant", panes[0].tenant)
    assert (
        f"Mine never fired: the largest value was 20 % ({panes[0].tenant}, tool=run_sql, "
        "2025-11-24 16:09:50), and it takes > 25 %"
    ) in on_stack(*args).out
    file.write_text(file.read_text().replace("0.25", "0.19"))
    (mine,) = on_stack(*args, "--json").objects
    assert mine["fired"] == 1


def test_without_panes_it_says_when_there_are_some(panes: list[PaneRecord], on_stack: Cli) -> None:
    tenant = panes[0].tenant
    ran = on_stack("alerts", "test", "--since", "1h", "--tenant", tenant)
    assert ran.code == 2
    assert "there are some from 2025-11-24 16:00:00 to 2025-11-24 16:39:50" in ran.err
    ran = on_stack("alerts", "test", "--since", "1h", "--tenant", unique())
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "nor any others" in ran.err


def test_panes_of_other_buckets_are_left_out_with_a_word(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    bounds = METRICS["agent.turn.duration_ms"].buckets
    good = pane("agent.turn.duration_ms", T0, 5.0, tenant=tenant, buckets=(1,) * (len(bounds) + 1))
    insert_panes(stack, [good, replace(good, start=T0 + 10, buckets=(1, 2))])
    rules = stack.settings.state_dir / f"{tenant}.toml"
    rules.write_text(
        '[[rule]]\nname = "Slow"\nquantile = { of = "agent.turn.duration_ms", q = 0.5 }\n'
        'window = "10s"\nabove = 1'
    )
    ran = on_stack("alerts", "test", str(rules), *span(0, 60), "--tenant", tenant, "--json")
    assert (ran.code, ran.objects[0]["fired"]) == (0, 1)
    assert ran.err == (
        "headrace alerts test: panes left out: agent.turn.duration_ms has 7 buckets, not 2\n"
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--rule", "Nothing"), "no rule Nothing in the shipped file: there is ToolFailureRate"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "must end after it begins"),
        (("--from", "noon"), "is not a time such as 2026-05-04 or 2026-05-04T12:30, nor a span"),
        (("none.toml",), "cannot be read"),
    ],
)
def test_mistakes_are_one_line(args: tuple[str, ...], said: str, on_stack: Cli) -> None:
    ran = on_stack("alerts", "test", *args)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert said in ran.err


def test_what_became_of_alerts(on_stack: Cli, stack: Stack) -> None:
    tenant, now = unique(), float(int(time.time()))
    fires = alert(tenant, f"{tenant}-1", at=now - 60.5)
    ends = replace(fires, state="resolved", previous="firing", seq=3, at=now - 30.25, value=None)
    ends = replace(ends, ends_at=now - 40)
    old = alert(tenant, f"{tenant}-0", at=now - 7200)
    other = replace(alert(tenant, f"{tenant}-2", at=now - 90), rule="Other")
    insert_transitions(stack, [fires, ends, old, other])
    args = ("alerts", "history", "--tenant", tenant)
    found = on_stack(*args, "--since", "1h", "--json").objects
    assert [(one["id"], one["state"], one["at"]) for one in found] == [
        (fires.id, "resolved", at(now - 30.25)),
        (fires.id, "firing", at(now - 60.5)),
        (other.id, "firing", at(now - 90)),
    ]
    assert (found[0]["value"], found[0]["ends_at"]) == (None, at(now - 40))
    assert (found[1]["value"], found[1]["ends_at"], found[1]["pane"]) == (
        0.23,
        None,
        at(fires.pane),
    )
    assert found[1]["group"] == fires.group
    assert found[1]["receivers"] == ["ops"]
    assert len(on_stack(*args, "--rule", "Other", "--json").objects) == 1
    assert len(on_stack(*args, "--limit", "1", "--json").objects) == 1
    assert len(on_stack(*args, "--json").objects) == 4
    table = on_stack(*args).out.splitlines()
    assert "pending  firing    warning   ToolFailureRate" in table[3]
    assert "23 %  > 10 %" in table[3]
    assert "nothing: widen --since" in on_stack(*args, "--since", "5s").out


def test_a_hostile_past_is_harmless(stack: Stack) -> None:
    tenant = unique() + ATTACK
    bad = [pane("agent.tool.failures", T0, 50.0, tenant=tenant, tool=ATTACK)]
    bad += [replace(bad[0], metric="agent.tool.calls", labels=(ATTACK, "error"))]
    insert_panes(stack, bad)
    insert_transitions(stack, [alert(tenant, ATTACK, tool=ATTACK, at=time.time())])
    there = ("--state-dir", str(stack.settings.state_dir))
    for args in (("test", *span(0, 600)), ("test", *span(0, 600), "--json"), ("history",)):
        said = OF_PROGRESS.sub("", on_terminal("alerts", *args, "--tenant", tenant, *there))
        assert_harmless(said)
        assert "owned" in said
