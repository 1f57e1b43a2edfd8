"""The metrics on the embedded broker."""

from __future__ import annotations

from tests.metrics.behaviour import MetricsBehaviour


class TestMetricsEmbedded(MetricsBehaviour):
    session_timeout = 3.0
