"""An Alertmanager, over its API v2: it then groups, silences and routes as its own file says."""

from __future__ import annotations

from typing import Any, Final

import httpx
import orjson

from headrace.sinks.notify.alert import Alert, alert_of, rfc3339
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.outcome import Outcome
from headrace.sinks.notify.post import Poster
from headrace.sinks.notify.secret import Secret

PATH: Final = "/api/v2/alerts"

HOLD_SECONDS: Final = 7 * 86_400.0
"""How long an alert is to be held as firing when nothing more is heard of it.

Without an end of ours Alertmanager would resolve it after ``resolve_timeout``, 5 minutes, while it
still fires: headrace tells changes, and does not repeat itself each minute as Prometheus does.
"""


class AlertmanagerSender:
    """Posts the alerts of one notification at once."""

    def __init__(self, url: Secret, poster: Poster) -> None:
        self._url = url
        self._poster = poster

    async def send(self, message: Message) -> Outcome:
        alerts = [alert_of(transition) for transition in message.notification.current()]
        body = orjson.dumps([_entry(alert, message) for alert in alerts])
        headers = {"Content-Type": "application/json"}
        return await self._poster.post(endpoint(self._url.reveal()), body, headers)

    async def close(self) -> None:
        await self._poster.close()


def endpoint(url: str) -> httpx.URL:
    """Return where alerts are posted, of an Alertmanager's address with or without the path."""
    base = httpx.URL(url)
    path = base.path.rstrip("/")
    return base.copy_with(path=path if path.endswith(PATH) else path + PATH)


def _entry(alert: Alert, message: Message) -> dict[str, Any]:
    ends_at = message.at + HOLD_SECONDS if alert.ends_at is None else alert.ends_at
    entry = {
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": rfc3339(max(ends_at, alert.starts_at)),
    }
    return {**entry, "generatorURL": message.external_url} if message.external_url else entry
