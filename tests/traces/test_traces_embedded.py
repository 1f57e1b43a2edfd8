"""Traces on the embedded broker."""

from __future__ import annotations

from tests.traces.behaviour import TracesBehaviour


class TestTracesEmbedded(TracesBehaviour):
    session_timeout = 2.0
