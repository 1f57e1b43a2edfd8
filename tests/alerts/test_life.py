from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.conditions import Reading
from headrace.streams.alerts.life import Change, Life
from headrace.streams.alerts.model import Rule
from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.transition import Transition
from headrace.streams.alerts.windows import Group
from tests.alerts.support import T0, Clock, logged, told

GROUP: Group = ("acme", "run_sql")


def rule(**more: str) -> Rule:
    said = {
        "sum": '["agent.tool.failures"]',
        "window": '"5m"',
        "above": "1",
        "group_by": '["tool"]',
        "annotations.said": '"{{ labels.tool }} {{ value }}"',
        "labels.team": '"x"',
        **more,
    }
    lines = "\n".join(f"{key} = {value}" for key, value in said.items())
    return loads(f'[[rule]]\nname = "A"\n{lines}').rules[0]


def judge(
    life: Life, one: Rule, clock: Clock, values: Iterable[float | None], first: int = 0
) -> list[Change]:
    """Judge pane after pane; the clock stands a second behind each pane's end."""
    changes = []
    for number, value in enumerate(values, first):
        end = T0 + 10 * number + 10
        clock.now = end + 1
        readings = {} if value is None else {GROUP: Reading(value, 41.0)}
        changes += life.step(one, end, readings)
    return changes


def fresh(one: Rule) -> tuple[Life, Clock]:
    clock = Clock()
    return Life([one], clock), clock


def test_without_for_it_fires_at_once_and_resolves_at_once() -> None:
    one = rule()
    life, clock = fresh(one)
    changes = judge(life, one, clock, [0, 2, 2, 0, 0])
    assert told(changes) == [("firing", 10), ("resolved", 30)]
    fired, resolved = logged(changes)
    assert fired == Transition(
        id=fired.id,
        rule="A",
        state="firing",
        previous="inactive",
        severity="warning",
        tenant="acme",
        group={"tenant": "acme", "tool": "run_sql"},
        labels={
            "alertname": "A",
            "severity": "warning",
            "tenant": "acme",
            "tool": "run_sql",
            "team": "x",
        },
        annotations={"said": "run_sql 2"},
        value=2,
        samples=41.0,
        threshold=1.0,
        comparison="above",
        pane=T0 + 10,
        starts_at=T0 + 10.0,
        ends_at=None,
        at=T0 + 21,
        receivers=("default",),
        seq=1,
        judged=T0 + 10,
        fires=(T0 + 10,),
    )
    assert resolved.id == fired.id
    assert (resolved.previous, resolved.seq, resolved.value) == ("firing", 2, 0)
    assert (resolved.starts_at, resolved.ends_at) == (T0 + 10, T0 + 30)
    assert (resolved.receivers, resolved.annotations) == (("default",), {"said": "run_sql 2"})


def test_the_id_is_of_the_rule_the_group_and_the_first_pane() -> None:
    one = rule()
    life, clock = fresh(one)
    (fired,) = logged(judge(life, one, clock, [2]))
    named = orjson.dumps(["A", {"tenant": "acme", "tool": "run_sql"}, T0])
    assert fired.id == hashlib.sha256(named).digest()[:16].hex()


def test_for_holds_it_pending() -> None:
    one = rule(**{"for": '"30s"'})
    life, clock = fresh(one)
    changes = judge(life, one, clock, [2, 2, 2, 2, 2, 0])
    assert told(changes) == [("pending", 0), ("firing", 30), ("resolved", 50)]
    assert {one.id for one in logged(changes)} == {logged(changes)[0].id}
    assert [one.seq for one in logged(changes)] == [1, 2, 3]
    assert [one.receivers for one in logged(changes)] == [(), ("default",), ("default",)]
    assert [one.starts_at - T0 for one in logged(changes)] == [0, 30, 30]


def test_pending_that_does_not_last_tells_nobody() -> None:
    one = rule(**{"for": '"30s"'})
    life, clock = fresh(one)
    changes = judge(life, one, clock, [2, 2, 0, 2, 2, 2, None])
    assert told(changes) == [("pending", 0), ("inactive", 20), ("pending", 30), ("inactive", 60)]
    assert all(not one.receivers for one in logged(changes))
    assert len({one.id for one in logged(changes)}) == 2


def test_keep_firing_for_bridges_a_lull() -> None:
    one = rule(keep_firing_for='"30s"')
    life, clock = fresh(one)
    changes = judge(life, one, clock, [2, 0, None, 2, 0, 0, 0, 0, 0])
    assert told(changes) == [("firing", 0), ("resolved", 70)]


def test_an_alert_that_flaps_stays_firing() -> None:
    one = rule(flap='{ fires = 3, within = "90s" }')
    life, clock = fresh(one)
    changes = judge(life, one, clock, [2, 0, 2, 0, 2, 0, 2, 0, 2, 0, 0, 0, 0, 0, 2, 0])
    assert told(changes) == [
        ("firing", 0),
        ("resolved", 10),
        ("firing", 20),
        ("resolved", 30),
        ("firing", 40),  # the third within 90 s: quiet for 30 s before it resolves
        ("resolved", 120),
        ("firing", 140),
        ("resolved", 150),
    ]


def test_a_pane_too_old_is_told_but_pages_nobody() -> None:
    one = rule(max_age='"60s"')
    life, clock = fresh(one)
    changes = []
    for number, late in enumerate((70.0, 65.0, 60.0, 0.0, 0.0)):
        end = T0 + 10 * number + 10
        clock.now = end + late
        readings = {GROUP: Reading(2.0 if number < 4 else 0.0, 1.0)}
        changes += life.step(one, end, readings)
    # It pages once it is of today, and whoever was paged is told of the end.
    assert told(changes) == [("firing", 0), ("firing", 20), ("resolved", 40)]
    assert [one.receivers for one in logged(changes)] == [(), ("default",), ("default",)]
    assert [one.seq for one in logged(changes)] == [1, 2, 3]
    assert [one.starts_at - T0 for one in logged(changes)] == [0, 0, 0]


def test_what_was_over_before_anybody_looked_pages_nobody() -> None:
    one = rule(max_age='"60s"')
    life, clock = fresh(one)
    clock.now = T0 + 10_000
    changes = life.step(one, T0 + 10, {GROUP: Reading(2.0, 1.0)})
    changes += life.step(one, T0 + 20, {})
    assert told(changes) == [("firing", 0), ("resolved", 10)]
    assert [one.receivers for one in logged(changes)] == [(), ()]


def test_a_rule_without_receivers_fires_once() -> None:
    one = rule(receivers="[]")
    life, clock = fresh(one)
    assert told(judge(life, one, clock, [2, 2, 2, 0])) == [("firing", 0), ("resolved", 30)]


def test_a_pane_that_was_judged_changes_nothing() -> None:
    one = rule()
    life, clock = fresh(one)
    judge(life, one, clock, [2, 2, 2])
    assert judge(life, one, clock, [0, 0, 0]) == []


def test_groups_live_apart() -> None:
    one = rule()
    life, _ = fresh(one)
    three: dict[Group, Reading] = {("acme", tool): Reading(2.0, 1.0) for tool in "bac"}
    changes = life.step(one, T0 + 10, three)
    assert [c.transition.group["tool"] for c in changes] == ["a", "b", "c"]
    changes = life.step(one, T0 + 20, {("acme", "b"): Reading(2.0, 1.0)})
    assert [c.transition.group["tool"] for c in changes] == ["a", "c"]
    assert [alert.group["tool"] for alert in life.open()] == ["b"]


def test_what_ended_long_ago_is_let_go() -> None:
    one = rule()
    life, clock = fresh(one)
    judge(life, one, clock, [2, 0])
    assert life._alerts["A"]
    judge(life, one, clock, [None] * 400, first=2)
    assert not life._alerts["A"]


def test_the_alerts_of_a_rule_that_is_gone_end_once() -> None:
    one = rule()
    life, clock = fresh(one)
    (fired,) = logged(judge(life, one, clock, [2]))
    other = Life([replace(one, name="B")], clock)
    regrouped = Life([replace(one, group_by=())], clock)
    for now in (other, regrouped):
        now.restore([fired, fired])
        (change,) = now.retire(T0 + 100)
        assert (change.transition.state, change.transition.seq) == ("resolved", 2)
        assert change.transition.receivers == ("default",)
        assert now.retire(T0 + 110) == []


def test_another_workers_tenants_are_forgotten() -> None:
    one = rule()
    life, clock = fresh(one)
    judge(life, one, clock, [2])
    life.forget(["acme"])
    assert list(life.open()) == []
    assert judge(life, one, clock, [0], first=1) == []


def test_a_record_is_read_as_it_is_written() -> None:
    one = rule(keep_firing_for='"30s"')
    life, clock = fresh(one)
    for change in judge(life, one, clock, [2, 0, 2]):
        written = change.transition.encode()
        assert Transition.from_data(orjson.loads(written)) == change.transition
        assert orjson.loads(written)["v"] == 1


@pytest.mark.parametrize(
    "data", [{}, {"state": "odd", "previous": "inactive"}, {"state": "firing"}]
)
def test_what_is_no_record_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no "):
        Transition.from_data(data)


RULES = [
    rule(),
    rule(**{"for": '"30s"'}),
    rule(keep_firing_for='"30s"'),
    rule(**{"for": '"20s"', "keep_firing_for": '"20s"', "flap": '{ fires = 2, within = "2m" }'}),
]
VALUES = st.lists(st.sampled_from([0.0, 2.0, None]), min_size=1, max_size=40)


@given(st.sampled_from(RULES), VALUES)
def test_a_replay_gives_the_same_ids_and_transitions(one: Rule, values: list[float | None]) -> None:
    first, second = (judge(*_arguments(one), values) for _ in range(2))
    assert first == second
    identities = [(t.id, t.seq) for t in logged(first)]
    assert len(set(identities)) == len(identities)
    for _, of_one in groupby(logged(first), key=lambda t: t.id):
        mine = list(of_one)
        assert [t.seq for t in mine] == list(range(1, len(mine) + 1))
        assert [t.previous for t in mine] == ["inactive", *(t.state for t in mine[:-1])]


def _arguments(one: Rule) -> tuple[Life, Rule, Clock]:
    life, clock = fresh(one)
    return life, one, clock


@given(st.sampled_from(RULES), VALUES, st.integers(0, 3), st.randoms(use_true_random=False))
def test_a_restart_at_any_point_gives_the_same_transitions(
    one: Rule, values: list[float | None], again: int, dice: random.Random
) -> None:
    """The new one has only what agent.alerts keeps, and may judge some panes for a second time."""
    life, clock = fresh(one)
    whole = logged(judge(life, one, clock, values))
    for at in range(len(values)):
        life, clock = fresh(one)
        before = judge(life, one, clock, values[:at])
        latest = {c.transition.id: Transition.from_data(c.transition.as_data()) for c in before}
        records = [*latest.values(), *latest.values()]
        dice.shuffle(records)
        after = Life([one], clock)
        after.restore(records)
        start = max(at - again, 0)
        changes = before + judge(after, one, clock, values[start:], first=start)
        assert {(t.id, t.seq): t for t in logged(changes)} == {(t.id, t.seq): t for t in whole}


def test_of_a_groups_alerts_the_latest_is_restored_in_any_order() -> None:
    one = rule()
    life, clock = fresh(one)
    changes = judge(life, one, clock, [2, 0, 2])
    for records in (logged(changes), logged(changes)[::-1]):
        after = Life([one], clock)
        after.restore(records)
        assert [alert.pane for alert in after.open()] == [T0 + 20]
