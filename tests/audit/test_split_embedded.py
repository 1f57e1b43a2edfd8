"""The split on the embedded broker."""

from __future__ import annotations

from tests.audit.behaviour import SplitBehaviour


class TestSplitEmbedded(SplitBehaviour):
    session_timeout = 2.0
