"""The same rules in Prometheus, on the same numbers, to the same verdicts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.conditions import evaluate
from headrace.streams.alerts.engine import Engine
from headrace.streams.alerts.measures import DAY
from headrace.streams.alerts.model import RuleSet, label_name
from headrace.streams.alerts.prometheus_rules import expression, write
from headrace.streams.alerts.records import PaneRecord
from headrace.streams.alerts.rules import load, loads
from headrace.streams.alerts.windows import Windows
from tests.alerts.five import FIVE, Case
from tests.alerts.support import T0, Clock, only, pane

EVERY_KIND = """
[[rule]]
name = "Sum"
sum = ['agent.tool.failures{tool=~"a.*"}', "agent.compactions"]
window = "5m"
above = 25
[[rule]]
name = "Rate"
rate = ["agent.tool.failures"]
window = "1m"
below = 0.35
group_by = ["tool"]
[[rule]]
name = "Quantile"
quantile = { of = "agent.turn.duration_ms", q = 0.9 }
window = "2m"
above = 2500
min_samples = 10
[[rule]]
name = "Absent"
absent = { of = ["agent.compactions"], known = "1h" }
window = "2m"
[[rule]]
name = "Average"
ratio = { numerator = ["agent.turn.duration_ms"], denominator = ["agent.turn.count"] }
samples = ["agent.turn.duration_ms"]
min_samples = 5
window = "1m"
above = 700
labels.hint = "not a {{ template }}"
[[rule]]
name = "Gauge"
sum = ["agent.session.active"]
window = "30s"
above = 3
"""


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    assert program, "apt-get install prometheus"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[:4000]


def series_of(panes: list[PaneRecord], until: int) -> list[dict[str, str]]:
    """What Prometheus scrapes at the end of every pane: running totals, or a gauge's pane."""
    steps = until // PANE_SECONDS
    found: dict[str, list[float]] = {}
    for one in panes:
        metric = METRICS[one.metric]
        labels = {"tenant": one.tenant, "partition": "0"}
        labels |= {label_name(n): v for n, v in zip(metric.labels, one.labels, strict=True)}
        counted: list[tuple[str, dict[str, str], float]] = []
        if metric.kind == "histogram":
            for at, bound in enumerate((*map(str, metric.buckets), "+Inf")):
                below = float(sum(one.buckets[: at + 1]))
                counted.append((metric.prometheus_name + "_bucket", {**labels, "le": bound}, below))
            counted.append((metric.prometheus_name + "_count", labels, float(one.count)))
            counted.append((metric.prometheus_name + "_sum", labels, one.sum))
        else:
            counted.append((metric.prometheus_name, labels, one.sum))
        for name, its, value in counted:
            text = ", ".join(f'{key}="{said}"' for key, said in its.items())
            values = found.setdefault(f"{name}{{{text}}}", [0.0] * (steps + 1))
            at = (one.start - T0) // PANE_SECONDS + 1
            values[at:] = (
                [value] if metric.kind == "gauge" else [total + value for total in values[at:]]
            ) + (values[at + 1 :] if metric.kind == "gauge" else [])
    return [
        {"series": name, "values": " ".join(map(repr, values))} for name, values in found.items()
    ]


def verdicts(rules: RuleSet, panes: list[PaneRecord], until: int) -> list[dict[str, Any]]:
    """What headrace says fires at the end of each pane, as promtool's tests expect it."""
    clock = Clock()
    engine = Engine(rules, clock)
    engine.restore([], judged=T0)
    waiting = sorted(panes, key=lambda one: one.start)
    firing: dict[str, dict[str, Any]] = {}
    tests = []
    for end in range(T0 + PANE_SECONDS, T0 + until + 1, PANE_SECONDS):
        while waiting and waiting[0].start < end:
            engine.take(waiting.pop(0))
        clock.now = float(end)
        engine.advance(end)
        firing = {a.id: dict(a.labels) for a in engine.life.open() if a.state == "firing"}
        for rule in rules.rules:
            mine = [
                {"exp_labels": {k: v for k, v in labels.items() if k != "alertname"}}
                for labels in firing.values()
                if labels["alertname"] == rule.name
            ]
            tests.append({"eval_time": f"{end - T0}s", "alertname": rule.name, "exp_alerts": mine})
    assert [test for test in tests if test["exp_alerts"]], "nothing fires: this shows nothing"
    assert [test for test in tests if not test["exp_alerts"]]
    return tests


def without_annotations(text: str) -> str:
    rules = yaml.safe_load(text)
    for rule in rules["groups"][0]["rules"]:
        rule.pop("annotations", None)
    return yaml.safe_dump(rules)


def prometheus_agrees(tmp_path: Path, rules: str, series: object, **tests: object) -> None:
    (tmp_path / "rules.yml").write_text(rules)
    unit = {"interval": f"{PANE_SECONDS}s", "input_series": series, **tests}
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump(
            {
                "rule_files": ["rules.yml"],
                "evaluation_interval": f"{PANE_SECONDS}s",
                "tests": [unit],
            }
        )
    )
    promtool("test", "rules", str(tmp_path / "test.yml"))


@pytest.mark.programs
@pytest.mark.parametrize("case", FIVE, ids=lambda case: case.rule)
def test_each_shipped_rule_has_the_same_verdict_in_every_pane(case: Case, tmp_path: Path) -> None:
    rules, panes = only(case.rule), case.panes()
    prometheus_agrees(
        tmp_path,
        without_annotations(write(rules)),
        series_of(panes, case.until),
        alert_rule_test=verdicts(rules, panes, case.until),
    )


@pytest.mark.programs
def test_a_numerator_that_was_never_counted_is_none(tmp_path: Path) -> None:
    (case,) = (case for case in FIVE if case.rule == "CacheHitRate")
    panes = [one for one in case.panes() if one.metric != "agent.llm.tokens.cached"]
    panes = [one for one in panes if one.start < T0 + 600]
    rules = only(case.rule)
    prometheus_agrees(
        tmp_path,
        without_annotations(write(rules)),
        series_of(panes, 600),
        alert_rule_test=verdicts(rules, panes, 600),
    )


@pytest.mark.programs
@pytest.mark.parametrize("case", FIVE, ids=lambda case: case.rule)
def test_annotations_say_the_same(case: Case, tmp_path: Path) -> None:
    rules, panes = only(case.rule), case.panes()
    fires = next(at for state, at in case.transitions if state == "firing") + PANE_SECONDS
    document = yaml.safe_load(write(rules))
    (rule,) = document["groups"][0]["rules"]
    rule["annotations"].pop("description")  # samples are no value that Prometheus has at hand
    (expected,) = [
        one["exp_alerts"]
        for one in verdicts(rules, panes, case.until)
        if one["eval_time"] == f"{fires}s"
    ]
    expected[0]["exp_annotations"] = {"summary": case.summary}
    prometheus_agrees(
        tmp_path,
        yaml.safe_dump(document),
        series_of(panes, case.until),
        alert_rule_test=[
            {"eval_time": f"{fires}s", "alertname": case.rule, "exp_alerts": expected}
        ],
    )


def of_every_kind() -> list[PaneRecord]:
    panes = []
    for number in range(60):
        bad = 20 <= number < 40
        start = T0 + PANE_SECONDS * number
        panes.append(pane("agent.tool.failures", start, 1.0 if bad else 2.0, tool="abc"))
        panes.append(pane("agent.tool.failures", start, 5.0, tool="b"))
        if not bad:
            panes.append(pane("agent.compactions", start, 1.0))
        buckets = (0, 1, 0, 0, 4, 0, 0) if bad else (3, 2, 0, 0, 0, 0, 0)
        panes.append(
            pane("agent.turn.duration_ms", start, 9000.0 if bad else 900.0, buckets=buckets)
        )
        panes.append(pane("agent.turn.count", start, 5.0, status="ok"))
        panes.append(pane("agent.session.active", start, 4.0 if bad else 2.0))
    return panes


@pytest.mark.programs
def test_every_kind_of_rule_has_the_same_verdict_in_every_pane(tmp_path: Path) -> None:
    rules = loads(EVERY_KIND)
    panes = of_every_kind()
    tests = verdicts(rules, panes, 600)
    for rule in rules.rules:
        assert [t for t in tests if t["alertname"] == rule.name and t["exp_alerts"]], rule.name
    # A window that reaches before the first scrape is stretched by Prometheus, so from 5 min on.
    settled = [test for test in tests if int(test["eval_time"][:-1]) >= 300]
    prometheus_agrees(tmp_path, write(rules), series_of(panes, 600), alert_rule_test=settled)


@pytest.mark.programs
@pytest.mark.parametrize("measured_as", ["deviations", "factor"])
def test_an_anomaly_has_the_same_value(measured_as: str, tmp_path: Path) -> None:
    rules = loads(
        '[[rule]]\nname = "A"\nwindow = "10m"\nabove = 0.1\n'
        'anomaly = { sum = ["agent.compactions"], days = 2, min_days = 2,'
        f' measured_as = "{measured_as}" }}'
    )
    (rule,) = rules.rules
    until = 2 * DAY + 7200
    panes = [
        pane("agent.compactions", T0 + at, float(1 + at // DAY * 2)) for at in range(0, until, 600)
    ]
    windows = Windows.for_rules(rules.rules)
    for one in panes:
        windows.take(one)
    value = evaluate(rule, windows, T0 + until)["acme",].value
    prometheus = expression(rule).partition(" > 0.1) and ")[0][1:]
    # Ten minutes are a step here: two days of panes are too many for a test.
    steps = [0.0]
    for one in panes:
        steps.append(steps[-1] + one.sum)
    series = [
        {
            "series": 'agent_compactions_total{tenant="acme", partition="0"}',
            "values": " ".join(map(repr, steps)),
        }
    ]
    (tmp_path / "test.yml").write_text(
        yaml.safe_dump(
            {
                "tests": [
                    {
                        "interval": "10m",
                        "input_series": series,
                        "promql_expr_test": [
                            {
                                "expr": f"abs({prometheus} - {value!r}) < bool 1e-9",
                                "eval_time": f"{until}s",
                                "exp_samples": [{"labels": '{tenant="acme"}', "value": 1.0}],
                            }
                        ],
                    }
                ]
            }
        )
    )
    promtool("test", "rules", str(tmp_path / "test.yml"))


@pytest.mark.programs
def test_prometheus_takes_the_files(tmp_path: Path) -> None:
    for number, rules in enumerate((load(), loads(EVERY_KIND))):
        (tmp_path / f"{number}.yml").write_text(write(rules))
        promtool("check", "rules", str(tmp_path / f"{number}.yml"))


def test_what_is_written_is_yaml_with_every_rule() -> None:
    (group,) = yaml.safe_load(write(load()))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [rule.name for rule in load().rules]
    first = group["rules"][0]
    assert (first["for"], first["keep_firing_for"], group["interval"]) == ("30s", "1m", "10s")
    assert first["annotations"]["summary"] == (
        "{{ $labels.tenant }}: {{ $labels.tool }} fails in"
        " {{ $value | humanizePercentage }} of its calls"
    )


def test_labels_with_dots_have_underscores() -> None:
    rules = loads(
        '[[rule]]\nname = "A"\nrate = [\'gen_ai.execute_tool.duration{error.type=""}\']\n'
        'window = "1m"\nabove = 1\ngroup_by = ["gen_ai.tool.name"]'
    )
    assert (
        "sum by (tenant, gen_ai_tool_name) (increase(gen_ai_execute_tool_duration_seconds_sum"
        '{error_type=""}[1m]))'
    ) in expression(rules.rules[0])
