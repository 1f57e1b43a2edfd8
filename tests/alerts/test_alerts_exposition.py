"""Open alerts at /metrics, whatever stands in their labels."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from headrace.streams.alerts.exposition import MAX_SERIES, AlertsCollector
from headrace.streams.alerts.partition import AlertsPartition
from headrace.streams.alerts.rules import load
from headrace.streams.alerts.transition import Transition
from headrace.streams.worker_metrics import Metrics
from tests.alerts.support import T0

ALERT = Transition(
    id="0",
    rule="Failing",
    state="firing",
    previous="pending",
    severity="warning",
    tenant="acme",
    group={"tenant": "acme"},
    labels={"alertname": "Failing", "severity": "warning", "tenant": "acme"},
    annotations={},
    value=1.0,
    samples=1.0,
    threshold=0.5,
    comparison="above",
    pane=T0,
    starts_at=float(T0),
    ends_at=None,
    at=0.0,
    receivers=(),
    seq=1,
    judged=T0,
)


def shown(*alerts: Transition) -> dict[str, list[tuple[dict[str, str], float]]]:
    """What a scrape finds."""
    partition = AlertsPartition(3, load(), lambda: float(T0))
    partition.open = alerts
    metrics = Metrics()
    metrics.register(AlertsCollector(lambda: [partition]))
    text = metrics.render()[0].decode()
    return {
        family.name: [(sample.labels, sample.value) for sample in family.samples]
        for family in text_string_to_metric_families(text)
    }


def test_each_open_alert_is_a_series() -> None:
    other = replace(ALERT, state="pending", labels={**ALERT.labels, "tool": "a"})
    found = shown(ALERT, other)
    assert found["headrace_alerts"] == [
        ({**ALERT.labels, "alertstate": "firing"}, 1.0),
        ({**other.labels, "alertstate": "pending"}, 1.0),
    ]
    assert found["headrace_alerts_hidden"] == [({}, 0.0)]
    assert found["headrace_alerts_judged_seconds"] == [({"partition": "3"}, 0.0)]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_hostile_label_stays_a_label(text: str) -> None:
    found = shown(replace(ALERT, labels={**ALERT.labels, "tool": text}))
    assert len(found["headrace_alerts"]) == 1
    labels, _ = found["headrace_alerts"][0]
    assert set(labels) == {"alertname", "alertstate", "severity", "tenant", "tool"}


def test_what_hostile_labels_say_is_kept() -> None:
    text = 'a"} 1\nheadrace_alerts{x="\\n'
    found = shown(replace(ALERT, labels={**ALERT.labels, "tool": text}))
    assert found["headrace_alerts"][0][0]["tool"] == text


def test_of_too_many_those_that_fire_are_shown() -> None:
    pending = [replace(ALERT, id=str(n), state="pending") for n in range(MAX_SERIES)]
    found = shown(*pending, *(replace(ALERT, id=f"f{n}") for n in range(5)))
    assert len(found["headrace_alerts"]) == MAX_SERIES
    firing = [labels for labels, _ in found["headrace_alerts"] if labels["alertstate"] == "firing"]
    assert len(firing) == 5
    assert found["headrace_alerts_hidden"] == [({}, 5.0)]
