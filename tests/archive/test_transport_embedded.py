"""The coalescing transport on the embedded broker."""

from __future__ import annotations

from tests.archive.transport_behaviour import TransportBehaviour


class TestTransportEmbedded(TransportBehaviour):
    session_timeout = 3.0
