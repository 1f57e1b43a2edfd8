"""The whole audit trail on the embedded broker."""

from __future__ import annotations

from tests.trail.behaviour import TrailBehaviour


class TestTrailEmbedded(TrailBehaviour):
    session_timeout = 2.0
