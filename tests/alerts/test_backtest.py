from __future__ import annotations

import pytest

from headrace.streams.alerts.backtest import Episode, backtest
from headrace.streams.alerts.measures import DAY
from headrace.streams.alerts.rules import load, loads
from tests.alerts.five import FIVE, Case
from tests.alerts.support import T0, pane

ONE = loads(
    '[[rule]]\nname = "A"\nsum = ["agent.tool.failures"]\nwindow = "1m"\nabove = 5\nfor = "20s"\n'
    'group_by = ["tool"]\nannotations.said = "{{ value }}"\nmax_age = "0s"'
)


@pytest.mark.parametrize("case", FIVE, ids=lambda case: case.rule)
def test_it_says_when_each_shipped_rule_would_have_fired(case: Case) -> None:
    (episode,) = backtest(load(), case.panes())
    assert episode.rule == case.rule
    assert [
        ("pending", episode.began_at - T0),
        ("firing", (episode.fired_at or 0) - T0),
        ("resolved", (episode.ended_at or 0) - T0),
    ] == case.transitions
    assert episode.value == pytest.approx(case.value)
    assert episode.samples == case.samples
    assert episode.annotations["summary"] == case.summary


def test_what_did_not_fire_and_what_lasts_is_told_too() -> None:
    panes = [pane("agent.tool.failures", T0, 6.0, tool="a")]
    panes += [pane("agent.tool.failures", T0 + 600, 6.0, tool="b")]
    (fired, lasts) = backtest(ONE, panes)
    assert isinstance(fired, Episode)
    assert (fired.group["tool"], fired.began_at, fired.fired_at) == ("a", T0, T0 + 20)
    assert fired.ended_at == T0 + 60
    assert (lasts.group["tool"], lasts.fired_at, lasts.ended_at) == ("b", None, None)
    (_, done) = backtest(ONE, panes, until=T0 + 10_000)
    assert (done.fired_at, done.ended_at) == (T0 + 620, T0 + 660)


def test_a_long_gap_costs_nothing_and_hides_nothing() -> None:
    """Judged pane by pane, twenty years would take longer than a test may."""
    years = 20 * 365 * DAY
    panes = [pane("agent.tool.failures", T0 + at, 6.0) for at in (0, years)]
    first, second = backtest(ONE, panes, until=T0 + years + 100)
    assert (first.ended_at, second.fired_at) == (T0 + 60, T0 + years + 20)


def test_a_silence_within_a_gap_is_found() -> None:
    rules = loads(
        '[[rule]]\nname = "Silent"\nabsent = { of = ["agent.events"], known = "1h" }\nwindow = "5m"'
    )
    panes = [pane("agent.events", T0 + at, 1.0) for at in (0, 2000, 30 * DAY)]
    episodes = list(backtest(rules, panes))
    assert [(one.fired_at or 0) - T0 for one in episodes] == [300, 2300]
    assert [(one.ended_at or 0) - T0 for one in episodes] == [2000, 2000 + 3600]


def test_panes_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="in order"):
        list(backtest(ONE, [pane("agent.tool.failures", T0 + at, 6.0) for at in (10, 0)]))


def test_nothing_comes_of_nothing() -> None:
    assert list(backtest(load(), [])) == []
