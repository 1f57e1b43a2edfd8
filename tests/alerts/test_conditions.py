from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.conditions import evaluate, quantile
from headrace.streams.alerts.measures import DAY
from headrace.streams.alerts.model import Rule
from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.windows import Group, Windows
from tests.alerts.support import T0, pane

BOUNDS = (100.0, 500.0, 1000.0, 3000.0, 10_000.0, 30_000.0)


def rule(measure: str, **more: str) -> Rule:
    said = {"window": '"5m"', "above": "1", **more}
    lines = "\n".join(f"{key} = {value}" for key, value in said.items() if value)
    return loads(f'[[rule]]\nname = "A"\n{measure}\n{lines}').rules[0]


def store(one: Rule, *panes: object) -> Windows:
    windows = Windows.for_rules([one])
    for record in panes:
        windows.take(record)  # type: ignore[arg-type]
    return windows


def values(one: Rule, windows: Windows, end: int = T0 + 300) -> dict[Group, float]:
    return {group: reading.value for group, reading in evaluate(one, windows, end).items()}


RATIO = 'ratio = { numerator = ["agent.tool.failures"], denominator = ["agent.tool.calls"] }'


def test_a_ratio_is_of_the_windows_sums_by_group() -> None:
    one = rule(RATIO, group_by='["tool"]', min_samples="10")
    windows = store(
        one,
        pane("agent.tool.calls", T0, 10.0, tool="a", status="ok"),
        pane("agent.tool.calls", T0 + 290, 10.0, tool="a", status="error"),
        pane("agent.tool.failures", T0 + 10, 5.0, tool="a"),
        pane("agent.tool.calls", T0, 10.0, tool="never_failed", status="ok"),
        pane("agent.tool.calls", T0, 9.0, tool="too_few", status="error"),
        pane("agent.tool.failures", T0, 9.0, tool="too_few"),
        pane("agent.tool.failures", T0, 9.0, tool="no_calls"),
        pane("agent.tool.calls", T0 + 300, 99.0, tool="a", status="ok"),
    )
    assert values(one, windows) == {("acme", "a"): 0.25, ("acme", "never_failed"): 0.0}
    assert evaluate(one, windows, T0 + 300)["acme", "a"].samples == 20.0
    assert values(one, windows, T0 + 310) == {
        ("acme", "a"): 5 / 109,
    }


def test_samples_may_be_another_metrics() -> None:
    one = rule(RATIO, samples='["agent.turn.duration_ms"]', min_samples="3")
    calls = pane("agent.tool.calls", T0, 100.0)
    turns = pane("agent.turn.duration_ms", T0, 9e9, buckets=(0, 0, 0, 0, 0, 1, 1))
    assert values(one, store(one, calls, turns)) == {}
    turns = pane("agent.turn.duration_ms", T0, 9e9, buckets=(0, 0, 0, 0, 0, 2, 1))
    assert evaluate(one, store(one, calls, turns), T0 + 300)[("acme",)].samples == 3.0


def test_a_sum_a_rate_and_a_gauge() -> None:
    panes = (
        pane("agent.tool.failures", T0, 30.0, tool="a"),
        pane("agent.tool.failures", T0 + 200, 30.0, tool="b"),
        pane("agent.session.active", T0, 4.0),
        pane("agent.session.active", T0 + 10, 3.0, source=("log", 1, 1)),
        pane("agent.session.active", T0 + 10, 2.0),
    )
    one = rule('sum = ["agent.tool.failures"]')
    assert values(one, store(one, *panes)) == {("acme",): 60.0}
    one = rule('rate = ["agent.tool.failures"]')
    assert values(one, store(one, *panes)) == {("acme",): 0.2}
    one = rule('sum = ["agent.session.active"]')
    assert values(one, store(one, *panes)) == {("acme",): 5.0}


def test_a_quantile_is_of_the_merged_histogram() -> None:
    one = rule('quantile = { of = "agent.turn.duration_ms", q = 0.5 }', min_samples="4")
    windows = store(
        one,
        pane("agent.turn.duration_ms", T0, 1.0, buckets=(0, 2, 0, 0, 0, 0, 0)),
        pane("agent.turn.duration_ms", T0 + 10, 1.0, buckets=(0, 0, 0, 2, 0, 0, 0)),
    )
    assert values(one, windows) == {("acme",): 500.0}
    assert values(one, windows, T0 + 310) == {}


@pytest.mark.parametrize(
    ("q", "buckets", "expected"),
    [
        (0.5, (4, 0, 0, 0, 0, 0, 0), 50.0),
        (0.25, (0, 4, 0, 0, 0, 0, 0), 200.0),
        (0.9, (5, 0, 0, 5, 0, 0, 0), 1000 + 2000 * 4 / 5),
        (0.99, (1, 0, 0, 0, 0, 0, 1), 30_000.0),
        (0.5, (1, 0, 0, 0, 0, 0, 1), 100.0),
    ],
)
def test_quantiles_are_interpolated(q: float, buckets: tuple[int, ...], expected: float) -> None:
    assert quantile(q, BOUNDS, buckets) == pytest.approx(expected, rel=1e-12)


@given(
    st.lists(st.integers(0, 50), min_size=7, max_size=7).filter(any),
    st.floats(0.01, 0.99),
)
def test_a_quantile_lies_in_the_bucket_of_its_rank(buckets: list[int], q: float) -> None:
    found = quantile(q, BOUNDS, buckets)
    at = next(at for at in range(7) if sum(buckets[: at + 1]) >= q * sum(buckets))
    low, high = (0.0, *BOUNDS)[at], (*BOUNDS, BOUNDS[-1])[at]
    assert low <= found <= high


@pytest.mark.programs
def test_quantiles_are_what_prometheus_says(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool, "apt-get install prometheus"
    cases = [
        (q, buckets)
        for q in (0.05, 0.5, 0.95)
        for buckets in ((3, 1, 0, 7, 0, 2, 0), (0, 0, 9, 0, 0, 0, 1), (0, 0, 0, 0, 0, 0, 4))
    ]
    series, tests = [], []
    for number, (q, buckets) in enumerate(cases):
        for at, bound in enumerate((*map(str, BOUNDS), "+Inf")):
            name = f'h_bucket{{case="{number}", le="{bound}"}}'
            series.append({"series": name, "values": str(sum(buckets[: at + 1]))})
        tests.append(
            {
                "expr": f'histogram_quantile({q}, h_bucket{{case="{number}"}})',
                "eval_time": "0s",
                "exp_samples": [
                    {"labels": f'{{case="{number}"}}', "value": quantile(q, BOUNDS, buckets)}
                ],
            }
        )
    file = tmp_path / "quantiles.yml"
    file.write_text(
        yaml.safe_dump(
            {"tests": [{"interval": "1s", "input_series": series, "promql_expr_test": tests}]}
        )
    )
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_absence_is_the_silence_of_who_was_there() -> None:
    one = rule('absent = { of = ["agent.events"], known = "1h" }', above="")
    windows = store(
        one,
        pane("agent.events", T0, 1.0, type="turn_begin"),
        pane("agent.events", T0 + 100, 1.0, type="llm_text"),
        pane("agent.events", T0 + 290, 1.0, tenant="umbrella"),
    )
    assert values(one, windows, T0 + 400) == {("acme",): 290.0, ("umbrella",): 100.0}
    silent = values(one, windows, T0 + 410)
    assert silent == {("acme",): 300.0, ("umbrella",): 110.0}
    assert [one.crosses(value) for value in silent.values()] == [True, False]
    assert not one.crosses(values(one, windows, T0 + 400)[("acme",)])
    assert ("acme",) not in values(one, windows, T0 + 100 + 3610)


def test_absence_is_the_same_when_later_panes_were_read_already() -> None:
    one = rule('absent = { of = ["agent.events"] }', above="")
    windows = store(one, pane("agent.events", T0, 1.0), pane("agent.events", T0 + 900, 1.0))
    assert values(one, windows, T0 + 600) == {("acme",): 590.0}


def days(one: Rule, per_day: list[float], today: float) -> Windows:
    windows = Windows.for_rules([one])
    windows.advance(T0)
    for day, total in enumerate(per_day, 1):
        # Twelve panes of the hour that ends a whole number of days ago, and one just before it.
        for number in range(12):
            start = T0 - day * DAY - 300 * number - 10
            windows.take(pane("agent.tool.failures", start, total / 12, count=1))
        windows.take(pane("agent.tool.failures", T0 - day * DAY - 3610, 1e9, count=1))
    windows.take(pane("agent.tool.failures", T0 - 10, today, count=1))
    return windows


def test_an_anomaly_is_measured_in_deviations_from_the_same_hour() -> None:
    one = rule('anomaly = { sum = ["agent.tool.failures"], days = 4 }', above="3")
    # Five minutes' share of 120 and 360 in an hour are 10 and 30: 20 and a deviation of 10.
    windows = days(one, [120.0, 360.0, 120.0, 360.0], 55.0)
    assert values(one, windows, T0)[("acme",)] == pytest.approx(3.5)
    flat = days(one, [120.0, 120.0, 120.0, 120.0], 11.0)
    assert values(one, flat, T0)[("acme",)] == pytest.approx(10.0)  # 1 % is the least deviation


def test_an_anomaly_may_be_a_factor_and_needs_days() -> None:
    one = rule(
        'anomaly = { sum = ["agent.tool.failures"], days = 4, min_days = 2,'
        ' measured_as = "factor" }'
    )
    assert values(one, days(one, [120.0, 360.0], 50.0), T0)[("acme",)] == pytest.approx(2.5)
    assert values(one, days(one, [120.0], 50.0), T0) == {}
