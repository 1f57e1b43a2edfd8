"""Backfill on the embedded broker."""

from __future__ import annotations

from tests.backfill.behaviour import BackfillBehaviour


class TestBackfillEmbedded(BackfillBehaviour):
    session_timeout = 3.0
