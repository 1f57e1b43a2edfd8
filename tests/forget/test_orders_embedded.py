"""Standing orders on the embedded broker."""

from __future__ import annotations

from tests.forget.behaviour import OrdersBehaviour


class TestOrdersEmbedded(OrdersBehaviour):
    session_timeout = 3.0
