"""Deliveries and silences in people's hands, on the embedded broker."""

from __future__ import annotations

from tests.notify.desk_behaviour import DeskBehaviour


class TestDeskEmbedded(DeskBehaviour):
    pass
