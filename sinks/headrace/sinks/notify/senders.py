"""Each receiver's sender."""

from __future__ import annotations

import ssl

import httpx

from headrace.sinks.notify.alertmanager import AlertmanagerSender
from headrace.sinks.notify.apprise_sender import AppriseSender
from headrace.sinks.notify.clock import Clock, SystemClock
from headrace.sinks.notify.guard import Guard
from headrace.sinks.notify.message import Sender
from headrace.sinks.notify.post import Poster, Timeouts
from headrace.sinks.notify.receiver import Receiver
from headrace.sinks.notify.resolver import Resolver, SystemResolver
from headrace.sinks.notify.webhook import WebhookSender


class SenderFactory:
    """Makes senders. What it takes is what tests replace: clock, resolver, trust, timeouts."""

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._resolver = resolver
        # Made once: it reads every authority that is trusted. SSL_CERT_FILE names others.
        self._ssl_context = ssl_context or httpx.create_ssl_context()
        self._timeouts = timeouts or Timeouts()

    def __call__(self, receiver: Receiver) -> Sender:
        if receiver.kind == "apprise":
            return AppriseSender(receiver.urls, receiver.allow)
        poster = Poster(
            Guard(receiver.allow, self._resolver or SystemResolver()),
            self._clock,
            ssl_context=self._ssl_context,
            timeouts=self._timeouts,
        )
        if receiver.kind == "alertmanager":
            return AlertmanagerSender(receiver.urls[0], poster)
        return WebhookSender(receiver.urls[0], receiver.secrets, poster)
