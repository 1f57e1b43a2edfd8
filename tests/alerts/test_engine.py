"""From records of agent.metrics to transitions: the five shipped rules, late data, restarts."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.life import Change
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import load, loads
from headrace.streams.alerts.transition import Transition
from tests.alerts.five import FIVE, Case
from tests.alerts.support import T0, Clock, logged, only, pane, run, told

FAILING = """
[[rule]]
name = "Failing"
ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
window = "1m"
above = 0.5
min_samples = 2
for = "10s"
max_age = "5m"
group_by = ["tool"]
"""
HOLDS_THE_STORE_OPEN = """
[[rule]]
name = "HoldsTheStoreOpen"
ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
window = "30m"
above = 0.99
min_samples = 1000
"""
ONE = loads(FAILING)


def calls(start: int, good: int, bad: int, *, offset: int = 1, tool: str = "a") -> list[PaneRecord]:
    """Calls of one pane; ``start`` in seconds after T0."""
    at = T0 + start
    return [
        pane("agent.tool.calls", at, good, offset=offset, tool=tool, status="ok"),
        pane("agent.tool.calls", at, bad, offset=offset, tool=tool, status="error"),
        pane("agent.tool.failures", at, bad, offset=offset, tool=tool),
    ]


@pytest.mark.parametrize("case", FIVE, ids=lambda case: case.rule)
def test_each_shipped_rule_fires_and_resolves(case: Case) -> None:
    rules = only(case.rule)
    clock = Clock()
    changes = list(run(Engine(rules, clock), clock, case.panes(), T0 + case.until))
    assert told(changes) == case.transitions
    fired = next(one for one in logged(changes) if one.state == "firing")
    assert fired.value == pytest.approx(case.value)
    assert fired.samples == case.samples
    assert fired.receivers == ("default",)
    assert fired.annotations["summary"] == case.summary


@pytest.mark.parametrize("case", FIVE, ids=lambda case: case.rule)
def test_no_shipped_rule_fires_on_too_few_samples(case: Case) -> None:
    clock = Clock()
    panes = [one for one in case.panes(scale=0.02) if one.sum]
    assert list(run(Engine(only(case.rule), clock), clock, panes, T0 + case.until)) == []


def test_all_shipped_rules_together_say_what_each_says_alone() -> None:
    clock = Clock()
    panes = [one for case in FIVE for one in case.panes()]
    until = max(case.until for case in FIVE)
    changes = logged(run(Engine(load(), clock), clock, panes, T0 + until))
    for case in FIVE:
        mine = [(t.state, t.pane - T0) for t in changes if t.rule == case.rule]
        assert mine == case.transitions


def test_panes_that_were_passed_over_are_judged_one_by_one() -> None:
    clock = Clock()
    engine = Engine(ONE, clock)
    engine.advance(T0)
    for record in (*calls(0, 0, 5), *calls(60, 50, 0)):
        engine.take(record)
    clock.now = T0 + 100
    assert told(engine.advance(T0 + 100)) == [("pending", 0), ("firing", 10), ("resolved", 60)]


def test_what_comes_late_opens_an_alert_of_the_past_that_pages_nobody() -> None:
    clock = Clock()
    engine = Engine(loads(FAILING + HOLDS_THE_STORE_OPEN), clock)
    list(run(engine, clock, calls(0, 1, 0), T0 + 1000))
    for record in (*calls(400, 0, 5), *calls(460, 50, 0)):
        engine.take(record)
    clock.now = T0 + 1011
    changes = engine.advance(T0 + 1010)
    mine = [t for t in logged(changes) if t.rule == "Failing"]
    assert [(t.state, t.pane - T0) for t in mine] == [
        ("pending", 400),
        ("firing", 410),
        ("resolved", 460),
    ]
    assert all(not t.receivers for t in mine)
    assert engine.late == 6


def test_what_comes_late_may_still_page_while_it_is_of_today() -> None:
    clock = Clock()
    engine = Engine(ONE, clock)
    list(run(engine, clock, calls(0, 2, 0), T0 + 60))
    for record in calls(30, 0, 9):
        engine.take(record)
    clock.now = T0 + 71
    changes = engine.advance(T0 + 70)
    assert told(changes) == [("pending", 50), ("firing", 60)]
    assert logged(changes)[-1].receivers == ("default",)


def test_what_comes_late_ends_an_alert() -> None:
    clock = Clock()
    engine = Engine(ONE, clock)
    changes = list(run(engine, clock, calls(0, 0, 5), T0 + 30))
    assert told(changes) == [("pending", 0), ("firing", 10)]
    for record in calls(0, 20, 5, offset=2):
        engine.take(record)
    assert told(engine.advance(T0 + 40)) == [("resolved", 30)]


def test_a_tenants_silence_is_told_and_ends() -> None:
    rules = loads(
        '[[rule]]\nname="Silent"\nabsent = { of = ["agent.events"], known = "30m" }\nwindow = "2m"'
    )
    clock = Clock()
    panes = [pane("agent.events", T0 + 10 * n, 1.0, type="x") for n in (0, 1, 30, 31)]
    changes = list(run(Engine(rules, clock), clock, panes, T0 + 3000))
    assert told(changes) == [
        ("firing", 130),
        ("resolved", 300),
        ("firing", 430),
        ("resolved", 2110),  # after half an hour whoever is silent is gone
    ]


def test_after_a_long_pause_only_the_last_hours_are_judged() -> None:
    clock = Clock()
    engine = Engine(ONE, clock)
    engine.advance(T0)
    hour = 3600
    for record in (*calls(17 * hour, 0, 5), *calls(19 * hour, 0, 5)):
        engine.take(record)
    clock.now = T0 + 24 * hour
    assert told(engine.advance(T0 + 24 * hour)) == [
        ("pending", 19 * hour),
        ("firing", 19 * hour + 10),
        ("resolved", 19 * hour + 60),
    ]


def test_another_workers_tenants_are_forgotten() -> None:
    clock = Clock()
    engine = Engine(ONE, clock)
    list(run(engine, clock, calls(0, 0, 5), T0 + 30))
    for record in calls(10, 0, 5):
        engine.take(record)
    engine.forget(["acme"])
    assert list(engine.advance(T0 + 40)) == []
    assert list(engine.life.open()) == []


@st.composite
def days(draw: st.DrawFn) -> list[PaneRecord]:
    records = []
    for number in range(draw(st.integers(1, 30))):
        good, bad = draw(st.sampled_from(((0, 0), (5, 0), (0, 5), (2, 3))))
        if good or bad:
            records += calls(10 * number, good, bad, tool=draw(st.sampled_from("ab")))
    return records


@settings(max_examples=50)
@given(days(), st.integers(0, 30), st.randoms(use_true_random=False))
def test_a_restart_that_reads_everything_again_tells_the_same(
    panes: list[PaneRecord], at: int, dice: random.Random
) -> None:
    clock = Clock()
    whole = logged(run(Engine(ONE, clock), clock, panes, T0 + 400))
    first = Engine(ONE, clock)
    until = T0 + 10 * at
    before: list[Change] = list(run(first, clock, panes, until))
    latest = {c.transition.id: Transition.from_data(c.transition.as_data()) for c in before}
    second = Engine(ONE, clock)
    second.restore(latest.values(), judged=until)
    again = [one for one in panes if one.start < until] * 2
    dice.shuffle(again)
    for record in again:
        second.take(record)
    after = list(run(second, clock, [one for one in panes if one.start >= until], T0 + 400))
    assert logged(before) + logged(after) == whole


@settings(max_examples=50)
@given(days(), st.randoms(use_true_random=False))
def test_any_order_within_a_pane_and_any_repetition_tell_the_same(
    panes: list[PaneRecord], dice: random.Random
) -> None:
    clock = Clock()
    whole = logged(run(Engine(ONE, clock), clock, panes, T0 + 400))
    twice = panes * 2
    dice.shuffle(twice)
    assert logged(run(Engine(ONE, clock), clock, twice, T0 + 400)) == whole
