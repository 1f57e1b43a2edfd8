"""Who is told, when, and of what: silences, inhibition, grouping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.grouping import Grouper, Notification
from headrace.streams.alerts.inhibition import Inhibitor, inhibits_of
from headrace.streams.alerts.latest import BOUND, Latest
from headrace.streams.alerts.model import Grouping
from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.silences import KEEP, Silence, Silences, silence
from headrace.streams.alerts.transition import State, Transition

RULES = loads(
    """
    [[rule]]
    name = "AllTools"
    ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
    window = "5m"
    above = 0.5
    inhibits = ["OneTool"]
    [[rule]]
    name = "OneTool"
    ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }
    window = "5m"
    above = 0.1
    group_by = ["tool"]
    [[inhibit]]
    source = 'severity="critical"'
    target = 'severity=~"info|critical"'
    equal = ["tenant"]
    """
)


def alert(
    name: str,
    state: State = "firing",
    *,
    seq: int = 1,
    receivers: tuple[str, ...] = ("default",),
    **labels: str,
) -> Transition:
    its = {"alertname": "OneTool", "tenant": "acme", "severity": "warning", **labels}
    return Transition(
        id=name,
        rule=its["alertname"],
        state=state,
        previous="inactive",
        severity=its["severity"],
        tenant=its["tenant"],
        group={"tenant": its["tenant"]},
        labels=its,
        annotations={},
        value=1.0,
        samples=1.0,
        threshold=0.5,
        comparison="above",
        pane=0,
        starts_at=0.0,
        ends_at=None,
        at=0.0,
        receivers=receivers,
        seq=seq,
        judged=0,
    )


def ended(one: Transition) -> Transition:
    return replace(one, state="resolved", seq=one.seq + 1)


# ── silences ─────────────────────────────────────────────────────────────────


def made(matchers: str, now: float = 100.0) -> Silence:
    return silence(
        matchers, starts_at=now, ends_at=now + 50, created_by="me", comment="why", now=now
    )


def test_a_silence_holds_while_it_lasts_for_what_matches_whole() -> None:
    silences = Silences()
    one = made('alertname=~"One.*", tenant="acme", tool!="safe"')
    silences.take(one)
    labels = alert("a", tool="run_sql").labels
    assert silences.silencing(labels, 99.0) == ()
    assert silences.silencing(labels, 100.0) == (one.id,)
    assert silences.silencing(labels, 149.9) == (one.id,)
    assert silences.silencing(labels, 150.0) == ()
    assert silences.silencing({**labels, "tool": "safe"}, 120.0) == ()
    assert silences.silencing({**labels, "tenant": "umbrella"}, 120.0) == ()


def test_a_silence_can_be_ended_and_stays_ended() -> None:
    silences = Silences()
    one = made('tenant="acme"')
    silences.take(one)
    expired = silences.expire(one.id, 120.0)
    assert silences.silencing({"tenant": "acme"}, 120.0) == ()
    silences.take(one)  # an old version, read again
    assert silences.silencing({"tenant": "acme"}, 130.0) == ()
    others = Silences()
    others.take(Silence.from_data(orjson.loads(orjson.dumps(expired.as_data()))))
    assert list(others) == [expired]
    with pytest.raises(KeyError):
        silences.expire("none", 120.0)


@pytest.mark.parametrize("matchers", ["", "{}", 'tool=~".*"', 'tool!="x"', "tool=~''"])
def test_a_silence_of_everything_is_refused(matchers: str) -> None:
    with pytest.raises(ValueError, match=r"every alert|no label matcher"):
        made(matchers if matchers != "tool=~''" else 'tool=""')


def test_a_silence_must_end_after_it_starts() -> None:
    with pytest.raises(ValueError, match="must end after"):
        silence("a=b", starts_at=5, ends_at=5, created_by="", comment="", now=1)
    with pytest.raises(ValueError, match="must end after"):
        silence("a=b", starts_at=1, ends_at=2, created_by="", comment="", now=3)
    with pytest.raises(ValueError, match="no silence"):
        Silence.from_data({"id": "x"})


def test_a_clock_that_is_behind_ends_a_silence_all_the_same() -> None:
    one = silence(
        'tool="a"', starts_at=100.0, ends_at=200.0, created_by="ann", comment="", now=100.0
    )
    there, here = Silences(), Silences()
    there.take(one)
    here.take(one)
    there.take(here.expire(one.id, 90.0))
    assert there.silencing({"tool": "a"}, 150.0) == ()


def test_a_clock_that_was_ahead_puts_off_nothing_new() -> None:
    grouper = Grouper(Grouping(("alertname",), wait=0, interval=60), lambda _: False)
    grouper.take(alert("a"), 1e6)
    assert len(grouper.due(1e6)) == 1
    grouper.take(alert("b"), 1000.0)
    (told,) = grouper.due(1000.0)
    assert [one.id for one in told.alerts] == ["a", "b"]


def test_what_expired_long_ago_is_cleaned_away() -> None:
    silences = Silences()
    one = made('tenant="acme"')
    silences.take(one)
    assert silences.clean(150.0 + KEEP) == []
    assert silences.clean(150.1 + KEEP) == [one.id]
    assert list(silences) == []


# ── inhibition ───────────────────────────────────────────────────────────────


def test_a_tenant_wide_alert_mutes_its_per_tool_ones() -> None:
    inhibitor = Inhibitor(inhibits_of(RULES))
    wide = alert("w", alertname="AllTools")
    tool = alert("t", tool="run_sql")
    assert inhibitor.inhibited_by(tool.labels) is None
    inhibitor.take(wide)
    assert inhibitor.inhibited_by(tool.labels) == "w"
    assert inhibitor.inhibited_by(alert("u", tenant="umbrella").labels) is None
    assert inhibitor.inhibited_by(wide.labels) is None
    inhibitor.take(ended(wide))
    assert inhibitor.inhibited_by(tool.labels) is None
    inhibitor.take(wide)  # read again, too late
    assert inhibitor.inhibited_by(tool.labels) is None


def test_pending_mutes_nothing() -> None:
    inhibitor = Inhibitor(inhibits_of(RULES))
    inhibitor.take(alert("w", "pending", alertname="AllTools"))
    assert inhibitor.inhibited_by(alert("t").labels) is None


def test_alerts_that_are_source_and_target_do_not_mute_each_other() -> None:
    inhibitor = Inhibitor(inhibits_of(RULES))
    critical = alert("c", alertname="X", severity="critical")
    other = alert("d", alertname="Y", severity="critical")
    for one in (critical, other):
        inhibitor.take(one)
    assert inhibitor.inhibited_by(critical.labels) is None
    assert inhibitor.inhibited_by(other.labels) is None
    assert inhibitor.inhibited_by(alert("i", severity="info").labels) in ("c", "d")


# ── grouping ─────────────────────────────────────────────────────────────────

GROUPING = Grouping(("tenant", "alertname"), wait=10, interval=60, repeat=300)


class Muted(set[str]):
    """Values of the label ``tool`` that are silenced just now."""

    def __call__(self, labels: Mapping[str, str]) -> bool:
        return labels.get("tool", "") in self


def said(told: list[Notification]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(one.reason, [(a.id, a.state) for a in one.alerts]) for one in told]


def test_a_groups_first_notification_waits_for_others_to_join() -> None:
    grouper = Grouper(GROUPING, Muted())
    grouper.take(alert("a", tool="x"), 0.0)
    assert grouper.next_due() == 10.0
    assert grouper.due(9.9) == []
    grouper.take(alert("b", tool="y"), 9.0)
    grouper.take(alert("c", tenant="umbrella"), 9.0)
    (told,) = grouper.due(10.0)
    assert said([told]) == [("first", [("a", "firing"), ("b", "firing")])]
    assert told.group_labels == {"tenant": "acme", "alertname": "OneTool"}
    assert said(grouper.due(19.0)) == [("first", [("c", "firing")])]


def test_changes_are_told_an_interval_apart_and_repeats_come() -> None:
    grouper = Grouper(GROUPING, Muted())
    first, second = alert("a"), alert("b")
    grouper.take(first, 0.0)
    told = {at: said(grouper.due(at)) for at in (10.0, 69.0, 70.0, 130.0)}
    assert told == {10.0: [("first", [("a", "firing")])], 69.0: [], 70.0: [], 130.0: []}
    grouper.take(second, 131.0)  # quiet for an interval: it waits for others only
    assert said(grouper.due(140.9)) == []
    assert said(grouper.due(141.0)) == [("new alerts", [("a", "firing"), ("b", "firing")])]
    grouper.take(ended(first), 142.0)
    assert said(grouper.due(200.9)) == []
    assert said(grouper.due(201.0)) == [("resolved alerts", [("a", "resolved"), ("b", "firing")])]
    repeats = {at: said(grouper.due(at)) for at in (261.0, 441.0, 500.9, 501.0, 561.0)}
    assert [at for at, one in repeats.items() if one] == [501.0]
    assert repeats[501.0] == [("repeat", [("b", "firing")])]
    grouper.take(ended(second), 562.0)
    assert said(grouper.due(572.0)) == [("all resolved", [("b", "resolved")])]
    assert grouper.next_due() is None


def test_what_was_over_before_it_was_told_is_not_told() -> None:
    grouper = Grouper(GROUPING, Muted())
    grouper.take(alert("a"), 0.0)
    grouper.take(ended(alert("a")), 5.0)
    assert grouper.due(10.0) == []
    assert grouper.next_due() is None


def test_what_comes_again_is_told_once() -> None:
    grouper = Grouper(replace(GROUPING, wait=0), Muted())
    for _ in range(2):
        grouper.take(alert("a"), 0.0)
    assert len(grouper.due(0.0)) == 1
    grouper.take(ended(alert("a")), 1.0)
    assert len(grouper.due(60.0)) == 1
    for again in (alert("a"), ended(alert("a"))):
        grouper.take(again, 61.0)
    assert grouper.due(1000.0) == []


def test_an_alert_without_receivers_is_told_to_nobody_until_it_has_some() -> None:
    grouper = Grouper(replace(GROUPING, wait=0), Muted())
    grouper.take(alert("a", receivers=()), 0.0)
    assert grouper.next_due() is None
    grouper.take(alert("a"), 1.0)  # another worker's copy, in time
    assert len(grouper.due(1.0)) == 1


def test_each_receiver_is_told_and_no_identity_is_used_twice() -> None:
    grouper = Grouper(replace(GROUPING, wait=0, repeat=60), Muted())
    grouper.take(alert("a", receivers=("one", "two")), 0.0)
    told = [one for at in (0.0, 60.0, 120.0) for one in grouper.due(at)]
    assert [one.receiver for one in told] == ["one", "two"] * 3
    assert [one.number for one in told] == [1, 1, 2, 2, 3, 3]


def test_after_a_restart_a_repeat_is_another_notification() -> None:
    grouper = Grouper(replace(GROUPING, wait=0, repeat=60), Muted())
    grouper.take(alert("a"), 0.0)
    (first,) = grouper.due(0.0)
    after = Grouper(replace(GROUPING, wait=0, repeat=60), Muted())
    after.load(orjson.loads(orjson.dumps(grouper.as_data())))
    (repeat,) = after.due(60.0)
    assert (first.reason, repeat.reason, first.alerts) == ("first", "repeat", repeat.alerts)
    assert (first.number, repeat.number) == (1, 2)
    after.take(alert("a"), 61.0)  # told of before the restart
    assert after.due(119.0) == []


def test_of_what_came_last_the_idlest_is_forgotten() -> None:
    latest = Latest()
    assert [latest.take("a", seq) for seq in (1, 1, 3, 2, 3, 4)] == [
        True, False, True, False, False, True,
    ]  # fmt: skip
    for number in range(BOUND):
        latest.take(str(number), 1)
    assert len(latest.as_data()) == BOUND
    assert latest.take("a", 1)
    assert not latest.take("5", 1)


def test_the_muted_are_not_told_of_and_come_when_the_silence_ends() -> None:
    muted = Muted({"x"})
    grouper = Grouper(GROUPING, muted)
    grouper.take(alert("a", tool="x"), 0.0)
    grouper.take(alert("b", tool="y"), 0.0)
    assert said(grouper.due(10.0)) == [("first", [("b", "firing")])]
    assert grouper.due(70.0) == []
    muted.clear()
    assert said(grouper.due(130.0)) == [("new alerts", [("a", "firing"), ("b", "firing")])]
    muted.add("y")
    assert grouper.due(190.0) == []
    grouper.take(ended(alert("b", tool="y")), 191.0)
    assert grouper.due(250.0) == []
    muted.clear()
    assert said(grouper.due(310.0)) == [("resolved alerts", [("a", "firing"), ("b", "resolved")])]


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["new", "end", "wait", "wait"])), max_size=40
)


def play(
    steps: list[tuple[str, str]], restart: int = -1
) -> tuple[list[Notification], Grouper, list[Transition], float]:
    """What is told, the grouper behind it, what is open then, and when that is.

    Before the step ``restart`` the grouper is saved, and another one goes on.
    """
    grouper = Grouper(GROUPING, Muted())
    now, number = 0.0, 0
    open_: dict[str, Transition] = {}
    told = []
    for step, (name, what) in enumerate(steps):
        if step == restart:
            saved = orjson.loads(orjson.dumps(grouper.as_data()))
            grouper = Grouper(GROUPING, Muted())
            grouper.load(saved)
        now += 17
        if what == "new" and name not in open_:
            number += 1
            open_[name] = alert(f"{name}{number}", tool=name)
            grouper.take(open_[name], now)
        elif what == "end" and name in open_:
            grouper.take(ended(open_.pop(name)), now)
        told += grouper.due(now)
    return told, grouper, list(open_.values()), now


@given(STEPS, st.integers(0, 40))
def test_a_restart_tells_the_same(steps: list[tuple[str, str]], at: int) -> None:
    whole = play(steps)[0]
    assert play(steps, restart=at)[0] == whole
    identities = {(one.group, one.number, *((a.id, a.seq) for a in one.alerts)) for one in whole}
    assert len(identities) == len(whole)
    for one in whole:
        assert one.alerts


@given(STEPS)
def test_whoever_is_told_of_a_fire_is_told_of_its_end(steps: list[tuple[str, str]]) -> None:
    told, grouper, left, now = play(steps)
    for one in left:
        grouper.take(ended(one), now)
    told += grouper.due(now + 60) + grouper.due(now + 120)
    fired = {a.id for one in told for a in one.alerts if a.state == "firing"}
    over = [a.id for one in told for a in one.alerts if a.state == "resolved"]
    assert sorted(over) == sorted(fired)
    assert grouper.next_due() is None
