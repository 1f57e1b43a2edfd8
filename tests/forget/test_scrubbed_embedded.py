"""Forgetting whom scrubbing has hidden, on the embedded broker."""

from __future__ import annotations

from tests.forget.scrubbed import ScrubbedBehaviour


class TestScrubbedEmbedded(ScrubbedBehaviour):
    session_timeout = 3.0
