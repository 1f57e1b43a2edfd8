"""The demo's receiver of webhooks: it believes nothing whose signature is not right."""

from __future__ import annotations

import base64
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast

from standardwebhooks import Webhook, WebhookVerificationError

URL_VARIABLE: Final = "DEMO_WEBHOOK_URL"
SECRET_VARIABLE: Final = "DEMO_WEBHOOK_SECRET"  # noqa: S105 - its name
"""As the demo's rules name them."""
SOCKET_TIMEOUT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """One alert of a webhook that came with a right signature."""

    at: float
    """Seconds since 1970."""
    status: str
    """firing or resolved"""
    name: str
    severity: str
    tenant: str
    summary: str


class Receiver:
    """What was heard so far. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: list[Heard] = []
        self._ids: set[str] = set()
        self.refused = 0
        """Requests whose signature was not right."""

    @property
    def heard(self) -> list[Heard]:
        with self._lock:
            return list(self._heard)

    @property
    def webhooks(self) -> int:
        """How many different webhooks came."""
        with self._lock:
            return len(self._ids)

    def names(self, status: str) -> set[str]:
        """Return the names of the alerts that were told of as firing or resolved."""
        return {one.name for one in self.heard if one.status == status}

    def take(self, webhook_id: str, payload: dict[str, Any]) -> None:
        """Take note of a webhook; one that was heard already says nothing new."""
        now = time.time()
        with self._lock:
            if webhook_id in self._ids:
                return
            self._ids.add(webhook_id)
            self._heard += [_heard(alert, now) for alert in payload["alerts"]]


def _heard(alert: dict[str, Any], now: float) -> Heard:
    labels = alert["labels"]
    return Heard(
        at=now,
        status=alert["status"],
        name=labels["alertname"],
        severity=labels.get("severity", ""),
        tenant=labels.get("tenant", ""),
        summary=alert["annotations"].get("summary", ""),
    )


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Listen on a free port of loopback; the environment says where, and with which secret."""
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    server = _Server(("127.0.0.1", 0), _Handler)
    server.receiver, server.webhook = Receiver(), Webhook(secret)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="demo-receiver"
    )
    thread.start()
    os.environ[URL_VARIABLE] = f"http://127.0.0.1:{server.server_port}/headrace"
    os.environ[SECRET_VARIABLE] = secret
    try:
        yield server.receiver
    finally:
        del os.environ[URL_VARIABLE], os.environ[SECRET_VARIABLE]
        server.shutdown()
        thread.join(timeout=5)
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    receiver: Receiver
    webhook: Webhook

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the terminal is the demo's."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SOCKET_TIMEOUT

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the terminal is the demo's."""

    def do_POST(self) -> None:
        server = cast("_Server", self.server)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            payload = server.webhook.verify(body, headers)
        except WebhookVerificationError:
            server.receiver.refused += 1
            self._answer(401)
            return
        server.receiver.take(headers["webhook-id"], payload)
        self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
