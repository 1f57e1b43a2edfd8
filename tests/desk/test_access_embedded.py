"""Telling of a read before it is made, on the embedded broker."""

from __future__ import annotations

from tests.desk.access_behaviour import AccessBehaviour


class TestAccessEmbedded(AccessBehaviour):
    pass
