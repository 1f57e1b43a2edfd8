"""The round trip on the embedded broker."""

from __future__ import annotations

from tests.export.behaviour import RoundTripBehaviour


class TestRoundTripEmbedded(RoundTripBehaviour):
    session_timeout = 3.0
