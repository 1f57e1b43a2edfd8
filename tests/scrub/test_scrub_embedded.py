"""Scrubbing before the archive, on the embedded broker."""

from __future__ import annotations

from tests.scrub.behaviour import ScrubBehaviour


class TestScrubEmbedded(ScrubBehaviour):
    session_timeout = 3.0
