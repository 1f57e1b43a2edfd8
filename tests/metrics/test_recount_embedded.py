"""The recount on the embedded broker."""

from __future__ import annotations

from tests.metrics.recount_behaviour import RecountBehaviour


class TestRecountEmbedded(RecountBehaviour):
    session_timeout = 3.0
