from __future__ import annotations

from pathlib import Path

import pytest

from headrace.events.errors import SettingsError
from headrace.streams.alerts.measures import Absent, Anomaly, Quantile, Rate, Ratio, Sum
from headrace.streams.alerts.rules import load, loads
from headrace.streams.alerts.tables import RulesError

MINIMAL = """
[[rule]]
name = "A"
sum = ["agent.tool.failures"]
window = "5m"
above = 3
"""


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(RulesError) as error:
        loads(text, "file.toml")
    for line in str(error.value).splitlines():
        assert line.startswith("file.toml:"), line
    return [(one.line, one.text) for one in error.value.problems]


def test_the_shipped_rules_are_the_five_thresholds() -> None:
    found = {
        rule.name: (rule.comparison, rule.threshold, rule.group_by, rule.min_samples)
        for rule in load().rules
    }
    assert found == {
        "ToolFailureRate": ("above", 0.10, ("tool",), 10),
        "LlmServerErrorRate": ("above", 0.02, (), 50),
        "MaxIterationsRate": ("above", 0.05, (), 20),
        "CacheHitRate": ("below", 0.30, (), 50),
        "ConfirmTimeoutRate": ("above", 0.10, (), 10),
    }


def test_what_a_rule_does_not_say_has_a_default() -> None:
    (rule,) = loads(MINIMAL).rules
    assert (rule.hold, rule.keep_firing_for, rule.max_age) == (0, 0, 900)
    assert (rule.severity, rule.receivers, rule.group_by) == ("warning", ("default",), ())
    assert (rule.flap.fires, rule.flap.within, rule.min_samples) == (4, 3600, 0)


def test_every_field_of_a_rule_is_read() -> None:
    (rule, _) = loads(
        """
        [[rule]]
        name = "A"
        ratio.numerator = ['agent.llm.errors{class="5xx"}']
        ratio.denominator = ["agent.llm.requests", "agent.llm.errors"]
        samples = ["agent.llm.requests"]
        window = "1h30m"
        below = 2
        min_samples = 7
        for = "2m"
        keep_firing_for = "3m"
        group_by = ["tenant", "model"]
        severity = "critical"
        labels = { team = "x" }
        annotations = { summary = "{{ value }}" }
        receivers = ["a", "b", "a"]
        max_age = "1h"
        inhibits = ["B"]
        flap = { fires = 9, within = "2h" }
        [[rule]]
        name = "B"
        sum = ["agent.compactions"]
        window = "10s"
        above = 1
        """
    ).rules
    assert isinstance(rule.measure, Ratio)
    assert [str(one) for one in rule.measure.numerator] == ['agent.llm.errors{class="5xx"}']
    assert [one.metric for one in rule.measure.denominator] == [
        "agent.llm.requests",
        "agent.llm.errors",
    ]
    assert [one.metric for one in rule.samples] == ["agent.llm.requests"]
    assert (rule.window, rule.comparison, rule.threshold) == (5400, "below", 2.0)
    assert (rule.min_samples, rule.hold, rule.keep_firing_for) == (7, 120, 180)
    assert (rule.group_by, rule.severity, rule.labels) == (("model",), "critical", {"team": "x"})
    assert (rule.receivers, rule.max_age, rule.inhibits) == (("a", "b"), 3600, ("B",))
    assert (rule.flap.fires, rule.flap.within) == (9, 7200)


def test_each_kind_of_measure_is_read() -> None:
    kinds = {
        'sum = ["agent.tool.failures"]': Sum,
        'rate = ["agent.tool.failures"]': Rate,
        'quantile = { of = "agent.turn.duration_ms", q = 0.95 }': Quantile,
        'anomaly = { rate = ["agent.tool.failures"], days = 3 }': Anomaly,
    }
    for written, kind in kinds.items():
        (rule,) = loads(MINIMAL.replace('sum = ["agent.tool.failures"]', written)).rules
        assert isinstance(rule.measure, kind)
    (rule,) = loads(
        '[[rule]]\nname="A"\nabsent = { of = ["agent.events"], known = "2h" }\nwindow = "5m"'
    ).rules
    assert rule.measure == Absent(rule.samples, 7200)


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        ('name = "A"\nname = "B"', 4, "no TOML"),
        ("name = 3", 3, "`name` must be a text"),
        ('name = "1 2"', 3, "`name` must be letters"),
        ('name = "A"\nabov = 3', 4, "did you mean `above`?"),
        ('name = "A"\nfor = "5 minutes"', 4, "write it like 90s"),
        ('name = "A"\nfor = 5', 4, "`for` must be a text"),
        ('name = "A"\nmin_samples = "many"', 4, "`min_samples` must be a number"),
        ('name = "A"\nmin_samples = -1', 4, "0 or more"),
        ('name = "A"\nseverity = "bad"', 4, "info, warning, critical"),
        ('name = "A"\ngroup_by = [\n"tool",\n"mod"]', 6, "has no label mod; it has tool"),
        ('name = "A"\nbelow = 3', 7, "exactly one of `above` and `below`"),
        ('name = "A"\nlabels.tenant = "x"', 4, "`tenant` cannot be a label"),
        ('name = "A"\nannotations.x = "{{ valu }}"', 4, "is no placeholder"),
        ('name = "A"\nannotations.x = "{{ labels.tool }}"', 4, "has no label tool"),
        ('name = "A"\nannotations.x = "{{ tenant | percent }}"', 4, "numbers"),
        ('name = "A"\nrate = ["agent.tool.calls"]', 5, "it names sum and rate"),
        ('name = "A"\ninhibits = ["B"]', 4, "no other rule B"),
        ('name = "A"\nflap = { fires = 1 }', 4, "`fires` must be 2 to 100"),
        ('name = "A"\nsamples = ["agent.tool.cals"]', 4, "did you mean agent.tool.calls?"),
    ],
)
def test_a_mistake_is_told_with_its_line(wrong: str, line: int, said: str) -> None:
    found = problems(MINIMAL.replace('name = "A"', wrong))
    assert [one for one in found if one[0] == line and said in one[1]], found


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ('sum = ["agent.tool.cals"]', "did you mean agent.tool.calls?"),
        ("sum = []", "at least one metric"),
        ('sum = "agent.tool.calls"', "`sum` must be a list"),
        ("sum = [3]", "must hold texts only"),
        ("sum = ['agent.tool.calls{tol=\"x\"}']", "has no label tol; it has tenant, tool, status"),
        ("sum = ['agent.tool.calls{tool=\"x\"']", "is no selector"),
        ("sum = ['agent.tool.calls{tool=~\"(\"}']", "is wrong"),
        ("sum = ['agent.tool.calls{tool=~\"(?=x)\"}']", "RE2"),
        ('rate = ["agent.session.active"]', "is a gauge: use `sum`"),
        ('quantile = { of = "agent.tool.calls", q = 0.5 }', "is no histogram"),
        ('quantile = { of = "agent.tool.duration_ms", q = 95 }', "above 0 and below 1"),
        ('quantile = { of = "agent.tool.duration_ms" }', "`q` is missing"),
        ('ratio = { numerator = ["agent.tool.calls"] }', "`denominator` is missing"),
        ('anomaly = { sum = ["agent.tool.calls"], days = 99 }', "1 to 28"),
        ('anomaly = { sum = ["agent.tool.calls"], measured_as = "x" }', "deviations or factor"),
        ('anomaly = { absent = ["agent.tool.calls"] }', "it names none"),
        ('absent = { of = ["agent.events"] }', "`above` means nothing beside `absent`"),
    ],
)
def test_a_wrong_measure_is_told_with_its_line(measure: str, said: str) -> None:
    found = problems(MINIMAL.replace('sum = ["agent.tool.failures"]', measure))
    assert [text for _, text in found if said in text], found
    assert {line for line, _ in found} <= {2, 4, 6}


@pytest.mark.parametrize("window", ["15s", "0s", "2d", ""])
def test_a_window_is_whole_panes_and_at_most_a_day(window: str) -> None:
    assert problems(MINIMAL.replace("5m", window))[0][0] == 5


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(MINIMAL + 'for = "x"\nseverity = "y"\n' + MINIMAL)
    assert [line for line, _ in found] == [7, 8, 11]
    assert "there is one of this name on line 3" in found[2][1]


def test_receivers_pass_through_with_their_lines() -> None:
    rules = loads('[[receiver]]\nname = "default"\nwebhook.url = [\n"x"]\n' + MINIMAL)
    (receiver,) = rules.receivers
    assert receiver.data == {"name": "default", "webhook": {"url": ["x"]}}
    assert receiver.line == 1
    assert receiver.lines["webhook", "url"] == 3
    assert receiver.lines["webhook", "url", 0] == 4


def test_a_receiver_that_is_not_there_is_told() -> None:
    found = problems('[[receiver]]\nname = "x"\n' + MINIMAL + 'receivers = ["x",\n"y"]')
    assert found == [(10, "rule 'A': `receivers`: there is no [[receiver]] y; there is x")]


def test_inhibits_and_grouping_are_read_and_checked() -> None:
    rules = loads(
        '[grouping]\nby = ["tenant"]\nwait = "5s"\ninterval = "2m"\nrepeat = "1h"\n'
        "[[inhibit]]\nsource = 'severity=\"critical\"'\ntarget = 'severity=~\"info|warning\"'\n"
        'equal = ["tenant"]\n'
    )
    assert rules.grouping.by == ("tenant",)
    assert (rules.grouping.wait, rules.grouping.interval, rules.grouping.repeat) == (5, 120, 3600)
    assert rules.inhibits[0].equal == ("tenant",)
    assert rules.inhibits[0].line == 6
    found = problems('[[inhibit]]\nsource = "x"\ntarget = "{}"\n[grouping]\nwai = "5s"\n')
    assert [line for line, _ in found] == [2, 3, 5]


def test_a_file_that_cannot_be_read_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_text(MINIMAL)
    assert load(tmp_path / "x.toml").rules[0].name == "A"
