"""The alerts on the embedded broker."""

from __future__ import annotations

from tests.alerts.behaviour import AlertsBehaviour


class TestAlertsEmbedded(AlertsBehaviour):
    session_timeout = 3.0
