"""Anything that Apprise reaches: Slack, Teams, PagerDuty, mail and a hundred more.

Apprise runs in a process of its own, one a try: its plugins block, some cannot be timed out, and
each talks to the network in its own way. There it can be ended, sees none of our environment, and
an audit hook checks every address it connects to (:mod:`headrace.sinks.notify.apprise_child`).
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

import anyio
import orjson

from headrace.sinks.notify.addresses import Network
from headrace.sinks.notify.alert import alert_of
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.outcome import Outcome, of_status
from headrace.sinks.notify.secret import Secret

TRY_SECONDS: Final = 30.0
"""For one try, starting Apprise (half a second) included; mail servers are slow to greet."""

LARGEST_ANSWER: Final = 65_536

_KEPT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "HOME", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")
_KEPT_TLS: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


class AppriseSender:
    """Tells each of a receiver's Apprise URLs; delivered once every one of them took it."""

    def __init__(
        self, urls: Sequence[Secret], allow: Sequence[Network], *, seconds: float = TRY_SECONDS
    ) -> None:
        self._urls = tuple(urls)
        self._allow = [str(network) for network in allow]
        self._seconds = seconds

    async def send(self, message: Message) -> Outcome:
        order = {**text_of(message), "allow": self._allow}
        order["urls"] = [url.reveal() for url in self._urls]
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headrace.sinks.notify.apprise_child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # What a plugin prints may hold its URL.
            stderr=asyncio.subprocess.DEVNULL,
            # -m puts the working directory before everything that is installed.
            cwd=os.sep,
            env={name: os.environ[name] for name in _KEPT + _KEPT_TLS if name in os.environ},
        )
        try:
            with anyio.fail_after(self._seconds):
                said, _ = await child.communicate(orjson.dumps(order))
        except TimeoutError:
            return Outcome("retry", f"Apprise did not finish within {self._seconds:g} s")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return judged(said)

    async def close(self) -> None:
        """Nothing is held between tries."""


def judged(said: bytes) -> Outcome:
    """Return what the child's answer means."""
    try:
        answer = orjson.loads(said[:LARGEST_ANSWER])
    except orjson.JSONDecodeError:
        return Outcome("retry", "Apprise ended without an answer")
    if answer.get("delivered"):
        return Outcome("delivered", "Apprise delivered it")
    if refused := answer.get("refused"):
        return Outcome("give_up", f"not sent: {refused}")
    if misunderstood := answer.get("misunderstood"):
        return Outcome("give_up", f"URL {misunderstood} is none that Apprise understands")
    status = answer.get("status")
    outcome = of_status(status) if isinstance(status, int) else Outcome("retry", "no status")
    if outcome.verdict == "delivered":  # it answered well, and Apprise still was not content
        return Outcome("retry", "Apprise could not deliver it")
    return Outcome(outcome.verdict, f"Apprise could not deliver it ({outcome.reason})")


def text_of(message: Message) -> dict[str, Any]:
    """Return title, body and type, as a person is to read them."""
    alerts = [alert_of(transition) for transition in message.notification.current()]
    firing = [alert for alert in alerts if not alert.resolved]
    names = dict.fromkeys(alert.labels["alertname"] for alert in alerts)
    head = f"FIRING:{len(firing)}" if firing else "RESOLVED"
    lines = []
    for alert in alerts:
        said = alert.annotations.get("summary") or alert.annotations.get("description")
        labels = " ".join(f"{key}={value}" for key, value in sorted(alert.labels.items()))
        lines.append(f"[{alert.status}] {said or alert.labels['alertname']}\n{labels}")
    if message.external_url:
        lines.append(message.external_url)
    critical = any(alert.labels.get("severity") in {"critical", "page"} for alert in firing)
    return {
        "title": f"[{head}] {', '.join(names)}",
        "body": "\n\n".join(lines),
        "type": ("failure" if critical else "warning") if firing else "success",
    }
