"""The metrics of all parts in one, and what the supervisor knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from headrace.streams.worker_metrics_defs.worker import LAG


def merge(
    texts: Mapping[str, str], parts: Iterable[Mapping[str, Any]], spool_bytes: int
) -> CollectorRegistry:
    """Merge the workers' texts: each sample gets the label ``part``, each family stands once.

    A part whose text cannot be parsed is left out; ``headrace_part_metrics_readable`` says so.
    """
    families: dict[str, Metric] = {}
    readable = GaugeMetricFamily(
        "headrace_part_metrics_readable",
        "1 when the part's own metrics are in this scrape",
        labels=["part"],
    )
    for part, text in texts.items():
        found = _families(text)
        readable.add_metric([part], 1.0 if found else 0.0)
        for family in found:
            _add(families, part, family)
    spool = GaugeMetricFamily(
        "headrace_spool_bytes", "Bytes in the stack's own spool that Kafka has not acknowledged"
    )
    spool.add_metric([], spool_bytes)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given([*families.values(), readable, spool, *_own(parts)]))
    return registry


def lag(texts: Mapping[str, str]) -> dict[str, int]:
    """Records that each worker has still to work, by the worker's own account.

    A worker that does not answer has no entry: its lag is not known.
    """
    known: dict[str, int] = {}
    for part, text in texts.items():
        samples = [
            sample.value
            for family in _families(text)
            for sample in family.samples
            if sample.name == LAG.name
        ]
        if samples:
            known[part] = int(sum(samples))
    return known


def _families(text: str) -> list[Metric]:
    try:
        found = list(text_string_to_metric_families(text))
    except ValueError:
        return []
    # When a counter was made is its own family in this format alone, and clashes in the other.
    return [family for family in found if not family.name.endswith("_created")]


def _add(families: dict[str, Metric], part: str, family: Metric) -> None:
    merged = families.setdefault(
        family.name, Metric(family.name, family.documentation, family.type)
    )
    for sample in family.samples:
        merged.samples.append(sample._replace(labels={**sample.labels, "part": part}))


def _own(parts: Iterable[Mapping[str, Any]]) -> list[Metric]:
    up = GaugeMetricFamily("headrace_part_up", "1 while the part's process runs", labels=["part"])
    well = GaugeMetricFamily(
        "headrace_part_well", "1 while the part does its work", labels=["part"]
    )
    restarts = CounterMetricFamily(
        "headrace_part_restarts", "Times that the supervisor started it again", labels=["part"]
    )
    for part in parts:
        labels = [str(part["name"])]
        up.add_metric(labels, 1.0 if part["pid"] else 0.0)
        well.add_metric(labels, 1.0 if part["well"] else 0.0)
        restarts.add_metric(labels, float(part["restarts"]))
    return [up, well, restarts]


class _Given(Collector):
    """Families that were made already."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families
