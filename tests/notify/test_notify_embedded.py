"""The worker of ``notify`` on the embedded broker."""

from __future__ import annotations

from tests.notify.behaviour import NotifyBehaviour


class TestNotifyEmbedded(NotifyBehaviour):
    session_timeout = 3.0
