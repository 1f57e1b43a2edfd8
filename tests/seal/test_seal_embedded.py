"""The sealer on the embedded broker."""

from __future__ import annotations

from tests.seal.behaviour import SealBehaviour


class TestSealEmbedded(SealBehaviour):
    session_timeout = 2.0
