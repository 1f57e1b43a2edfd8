from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families

from headrace.events.metrics import METRICS
from headrace.streams.metrics import prices
from headrace.streams.metrics.exposition import PartitionsCollector, Shown
from headrace.streams.metrics.partition import Partition

from .events import event, records

EVENTS = [
    event(1, "tool_complete", {"tool": 'a"b\\\n', "status": "ok", "duration_ms": 30}),
    event(2, "tool_complete", {"tool": "sed", "status": "error", "duration_ms": 9e9}),
    event(3, "turn_end", {"status": "ok"}, duration_ms=100.0),
    event(4, "llm_call_started", {"model": "gpt-5"}),
    event(5, "llm_call_completed", {"status": "ok", "prompt_tokens": 10, "duration_ms": 20}),
]


@pytest.fixture
def registry() -> CollectorRegistry:
    state = Partition(prices.load())
    state.take(records([*EVENTS, EVENTS[0], b"{}", event(9, "llm_retry")]))
    state.tell()
    made = CollectorRegistry()
    made.register(
        PartitionsCollector(lambda: {3: Shown.of(state, 1_764_000_012.0, 1_764_000_011.0)})
    )
    return made


def test_prometheus_reads_the_totals(registry: CollectorRegistry) -> None:
    text = generate_latest(registry).decode()
    families = text_string_to_metric_families(text)
    samples = [one for family in families for one in family.samples]

    def value(name: str, **labels: str) -> float:
        wanted = {"tenant": "acme", "partition": "3", **labels}
        (found,) = [one.value for one in samples if one.name == name and one.labels == wanted]
        return float(found)

    assert value("agent_tool_failures_total", tool="sed") == 1
    assert value("agent_tool_calls_total", tool='a"b\\\n', status="ok") == 1
    # The bound itself belongs to its bucket, as Prometheus has it.
    assert value("agent_turn_duration_ms_bucket", le="100.0") == 1
    assert value("agent_tool_duration_ms_bucket", tool="sed", le="60000.0") == 0
    assert value("agent_tool_duration_ms_bucket", tool="sed", le="+Inf") == 1
    assert value("agent_tool_duration_ms_sum", tool="sed") == 9e9


def test_prometheus_reads_the_gauges_of_the_last_whole_pane(registry: CollectorRegistry) -> None:
    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"partition": "3", **labels})

    assert value("agent_session_active", tenant="acme") == 1
    assert value("headrace_metrics_duplicates_total") == 1
    assert value("headrace_metrics_skipped_total") == 1
    assert value("headrace_metrics_missing_events") == 3
    assert value("headrace_metrics_watermark_seconds") == 1_764_000_011
    assert value("agent_llm_retries_total", tenant="acme", model="gpt-5") == 1


def test_a_gauge_is_of_no_other_pane() -> None:
    state = Partition(prices.load())
    state.take(records(EVENTS))
    assert Shown.of(state, 1_764_000_009.0).gauges == []
    assert Shown.of(state, 1_764_000_020.0).gauges == []


def test_openmetrics_is_well_formed(registry: CollectorRegistry) -> None:
    text = openmetrics.generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    families = list(openmetrics_parser.text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert {"agent_tool_calls", "agent_turn_duration_ms"} <= {one.name for one in families}


def test_no_two_metrics_have_one_name_for_prometheus() -> None:
    names = [metric.prometheus_name for metric in METRICS.values()]
    assert len(set(names)) == len(names)
