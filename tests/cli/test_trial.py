"""Rules tried on the past: what would have fired, how often somebody would have been paged."""

from __future__ import annotations

import pytest

from headrace.cli.alerts.panes import metrics_of, tenants_of
from headrace.cli.alerts.show_trial import why_never
from headrace.cli.alerts.trial import Tried, run
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import load, loads
from tests.alerts.five import FIVE, Case
from tests.alerts.support import T0, pane

FAILS = """
[grouping]
repeat = "10m"
[[rule]]
name = "Fails"
sum = ["agent.tool.failures"]
window = "10s"
above = 5
min_samples = 2
for = "20s"
group_by = ["tool"]
receivers = ["one", "two"]
"""


def failures(*spans: tuple[int, int], tool: str = "t", total: float = 6.0) -> list[PaneRecord]:
    """Panes from each second after T0 up to another."""
    return [
        pane("agent.tool.failures", T0 + at, total, tool=tool)
        for start, end in spans
        for at in range(start, end, 10)
    ]


def tried(panes: list[PaneRecord], start: int = 0, end: int = 10_000, rules: str = FAILS) -> Tried:
    ordered = sorted(panes, key=lambda one: one.start)
    (one,) = run(loads(rules), ordered, T0 + start, T0 + end)
    return one


@pytest.mark.parametrize("case", FIVE, ids=lambda case: case.rule)
def test_each_shipped_rule_fires_once(case: Case) -> None:
    outcome = run(load(), case.panes(), T0, T0 + case.until)
    for one in outcome:
        assert len(one.fired) == one.pages == (one.rule.name == case.rule)
    (one,) = (one for one in outcome if one.fired)
    seconds = case.transitions[2][1] - case.transitions[1][1]
    assert one.longest == one.total == seconds
    assert one.extreme is not None
    assert one.rule.crosses(one.extreme.value)


def test_firings_are_counted_and_added_up() -> None:
    one = tried(failures((0, 60), (1000, 1300), (2000, 2010)) + failures((0, 60), tool="u"))
    assert [episode.fired_at is not None for episode in one.episodes].count(False) == 1
    assert (len(one.fired), one.total, one.longest) == (3, 40 + 40 + 280, 280)
    # Two receivers; the two tools of the first minute are of one group, and fire at once.
    assert one.pages == 2 * 2


def test_an_end_pages_nobody() -> None:
    assert tried(failures((0, 100)) + failures((0, 300), tool="u")).pages == 2


def test_each_page_goes_out_at_its_time() -> None:
    """The first is due before the second tool's alert fires, and the next an interval later."""
    waits = FAILS.replace("[grouping]", '[grouping]\nwait = "15s"')
    late = failures((0, 200)) + failures((20, 200), tool="u")
    assert tried(late, rules=waits).pages == 2 * 2
    assert tried(failures((0, 200)) + failures((10, 200), tool="u"), rules=waits).pages == 2


def test_what_fires_for_long_pages_again_and_what_is_muted_does_not() -> None:
    assert tried(failures((0, 1900))).pages == 2 * (1 + 3)
    muted = FAILS.replace('name = "Fails"', 'name = "Fails"\ninhibits = ["Other"]')
    muted += FAILS.partition("[[rule]]")[2].join(("[[rule]]", "")).replace("Fails", "Other")
    fails, other = run(loads(muted), failures((0, 1900)), T0, T0 + 9000)
    assert (len(other.fired), other.pages) == (1, 0)
    assert fails.pages == 2 * (1 + 3)


def test_only_what_begins_within_the_span_counts() -> None:
    panes = failures((0, 300), (600, 700))
    one = tried(panes, start=100)
    assert [(episode.began_at - T0) for episode in one.episodes] == [600]
    assert one.pages == 2
    assert one.extreme is not None
    lasting = tried(panes, start=500, end=660)
    assert (lasting.total, lasting.episodes[0].ended_at) == (40, None)
    none = tried(failures((0, 300), total=9.0) + failures((600, 610), total=3.0), start=400)
    assert none.extreme is not None
    assert none.extreme.value == 3, "the values of before the span do not count"


@pytest.mark.parametrize(
    ("panes", "why"),
    [
        ([], "no window had the 2 samples that it asks for"),
        (failures((0, 100), total=1.0), "no window had the 2 samples that it asks for"),
        (
            failures((0, 20), total=2.0) + failures((20, 30), total=4.0, tool="u"),
            "the largest value was 4 (acme, tool=u, 2025-11-24 16:00:20), and it takes > 5",
        ),
        (
            failures((0, 20)),
            "the largest value was 6 (acme, tool=t, 2025-11-24 16:00:00), but not for 20s",
        ),
        (
            failures((-100, 20)),
            "the largest value was 6 (acme, tool=t, 2025-11-24 16:00:00), but of an earlier alert",
        ),
    ],
)
def test_it_says_how_near_a_rule_came(panes: list[PaneRecord], why: str) -> None:
    assert why_never(tried(panes)) == why


def test_of_what_must_not_be_low_the_smallest_is_told() -> None:
    low = FAILS.replace("above = 5", "below = 5")
    panes = failures((0, 10), total=9.0) + failures((10, 20), total=7.0)
    assert why_never(tried(panes, rules=low)).startswith("the smallest value was 7 (")


def test_only_what_rules_read_is_asked_for() -> None:
    assert metrics_of(loads(FAILS)) == ["agent.tool.failures"]
    assert tenants_of(loads(FAILS)) == []
    one = FAILS.replace('["agent.tool.failures"]', """['agent.tool.failures{tenant="a"}']""")
    two = one.partition("[[rule]]")[2].replace("Fails", "Other").replace('"a"', '"b"')
    assert tenants_of(loads(one + "[[rule]]" + two)) == ["a", "b"]
    assert tenants_of(loads(one + "[[rule]]" + two.replace('"b"', '"b",tenant!="c"'))) == ["a", "b"]
    assert tenants_of(loads(one + "[[rule]]" + two.replace('tenant="b"', 'tenant=~"b"'))) == []
