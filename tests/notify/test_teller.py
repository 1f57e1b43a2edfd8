"""What is to be told, under rules files that change, and how it is cut."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.model import RuleSet
from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.silences import Silences
from headrace.streams.alerts.transition import Transition
from headrace.streams.notify.codec import decode_transition
from headrace.streams.notify.teller import Teller
from tests.notify.rig import news
from tests.notify.things import NOW

BY_NAME = '[grouping]\nby = ["alertname"]\n'
INHIBIT = """
[[inhibit]]
source = 'alertname="Source"'
target = 'alertname="Target"'
equal = ["tenant"]
"""


def teller(*receivers: str, rules: str = BY_NAME, part_bytes: int = 100_000) -> Teller:
    return Teller(loads(rules), receivers or ("ops",), Silences(), part_bytes)


def taken(one: Teller, *transitions: dict[str, Any], now: float = NOW) -> list[str]:
    found = [Transition.from_data(data) for data in transitions]
    return [name for transition in found for name in one.take(transition, now)]


def again(one: Teller, *receivers: str, rules: str = BY_NAME, now: float = NOW) -> Teller:
    """What the next worker makes of the saved state, which goes through JSON."""
    other = teller(*receivers, rules=rules)
    other.load(orjson.loads(orjson.dumps(one.as_data())), now)
    return other


def told(one: Teller) -> list[tuple[str, list[str], int]]:
    """Receiver, alerts and number of what stands in the outbox, which is then empty."""
    found = [
        (
            due.notification.receiver,
            [name for name, _ in due.notification.ids],
            due.notification.number,
        )
        for due in one.outbox
    ]
    one.outbox.clear()
    return found


def test_receivers_that_are_not_there_are_named_once_for_each_transition() -> None:
    one = teller("ops")
    both = ("ops", "gone")
    first = news("A.1", to=both)
    assert taken(one, news("A.1", "pending", to=both), {**first, "seq": 2}) == ["gone"]
    assert taken(one, {**first, "seq": 2}) == []
    assert one.due(NOW)
    assert told(one) == [("ops", ["A.1"], 1)]


def test_a_group_of_a_receiver_that_is_gone_goes() -> None:
    one = teller("ops", "old")
    taken(one, news("A.1", to=("ops", "old")))
    other = again(one, "ops")
    assert other.due(NOW)
    assert told(other) == [("ops", ["A.1"], 1)]


def test_alerts_join_the_groups_of_another_grouping() -> None:
    one = teller()
    taken(one, news("A.1"), news("B.1"))
    one.due(NOW)
    assert len(told(one)) == 2
    other = again(one, rules='[grouping]\nby = ["tenant"]\n')
    taken(other, news("A.1", "resolved", 2))
    other.due(NOW)
    # A.1 ended before the new group told of it.
    assert told(other) == [("ops", ["B.1"], 1)]
    taken(other, news("B.1", "resolved", 2))
    other.due(NOW + 100)
    assert told(other) == [("ops", ["B.1"], 2)]


@pytest.mark.parametrize("rules", [BY_NAME, BY_NAME + INHIBIT])
def test_an_inhibition_holds_over_a_restart_and_a_change_of_rules(rules: str) -> None:
    one = teller(rules=rules)
    taken(one, news("Source.1"))
    one.due(NOW)
    told(one)
    other = again(one, rules=BY_NAME + INHIBIT)
    taken(other, news("Target.1"))
    assert not other.due(NOW)
    taken(other, news("Source.1", "resolved", 2))
    assert other.due(NOW + 100)
    assert [names for _, names, _ in told(other)] == [["Source.1"], ["Target.1"]]


def test_what_was_overtaken_changes_nothing_after_a_restart() -> None:
    one = teller()
    taken(one, news("A.1", "resolved", 2))
    other = again(one)
    taken(other, news("A.1", seq=1))
    assert not other.due(NOW + 100)


def test_the_outbox_survives_as_it_is() -> None:
    one = teller()
    taken(one, news("A.1"))
    one.due(NOW)
    (due,) = one.outbox
    other = again(one, now=NOW + 50)
    assert other.outbox == [due]
    taken(other, news("A.2"))
    other.due(NOW + 100)
    assert told(other) == [("ops", ["A.1"], 1), ("ops", ["A.1", "A.2"], 2)]


@given(st.lists(st.integers(0, 3000), min_size=1, max_size=30))
def test_a_large_notification_is_cut(sizes: list[int]) -> None:
    one = teller(part_bytes=4000)
    taken(one, *(news(f"A.{n}", annotations={"a": "x" * size}) for n, size in enumerate(sizes)))
    one.due(NOW)
    deliveries = [due.notification for due in one.outbox]
    assert sorted(i for each in deliveries for i in each.ids) == sorted(
        (f"A.{n}", 1) for n in range(len(sizes))
    )
    assert len({each.delivery_id for each in deliveries}) == len(deliveries)
    assert {(each.group_key, each.number) for each in deliveries} == {(deliveries[0].group_key, 1)}
    for each in deliveries:
        lengths = [len(orjson.dumps(data)) for data in each.transitions]
        assert sum(lengths) <= 4000 or len(lengths) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ["a"]},
        {"labels": {"a": 1}},
        {"seq": "1"},
        {"at": None},
        {"id": 7},
        {"receivers": [None]},
        {"state": "asleep"},
        {"annotations": {"a": "x" * 5000}},
    ],
)
def test_no_transition_is_told_from_one(change: dict[str, Any]) -> None:
    right = news("A.1", pane=1)
    assert decode_transition(orjson.dumps(right), 5000).id == "A.1"
    with pytest.raises(ValueError, match=r"transition|record|state"):
        decode_transition(orjson.dumps({**right, **change}), 5000)


def test_the_shipped_rules_have_no_receiver() -> None:
    """So that the worker starts without any file, and parks nothing."""
    from headrace.streams.alerts import rules  # noqa: PLC0415

    shipped: RuleSet = rules.load()
    one = Teller(shipped, (), Silences(), 100_000)
    assert taken(one, news("A.1", to=("default",))) == ["default"]
    assert not one.due(NOW)
