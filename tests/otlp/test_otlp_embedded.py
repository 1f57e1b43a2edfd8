"""The worker ``otlp`` on the embedded broker."""

from __future__ import annotations

from tests.otlp.behaviour import OtlpBehaviour


class TestOtlpEmbedded(OtlpBehaviour):
    session_timeout = 3.0
    protocol = "http/protobuf"
