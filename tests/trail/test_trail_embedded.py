"""The whole audit trail on the embedded broker."""

from __future__ import annotations

from tests.audit.sources import MORE, POLICY_TEXT
from tests.trail.behaviour import TrailBehaviour


class TestTrailEmbedded(TrailBehaviour):
    session_timeout = 2.0
    policies = (POLICY_TEXT + MORE, POLICY_TEXT)
