"""Webhooks: Alertmanager's payload, version 4, under Standard Webhooks headers and signatures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import httpx
import orjson
from standardwebhooks import Webhook

from headrace.sinks.notify.alert import ZERO_TIME, Alert, alert_of, fingerprint, rfc3339
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.outcome import Outcome
from headrace.sinks.notify.post import Poster
from headrace.sinks.notify.secret import Secret


class WebhookSender:
    """Signs with every secret that it has, so that a receiver can change to a new one any time."""

    def __init__(self, url: Secret, secrets: Sequence[Secret], poster: Poster) -> None:
        self._url = url
        self._signers = [Webhook(secret.reveal()) for secret in secrets]
        self._poster = poster

    async def send(self, message: Message) -> Outcome:
        body = orjson.dumps(payload(message))
        return await self._poster.post(
            httpx.URL(self._url.reveal()),
            body,
            {"Content-Type": "application/json", **self._signed(message, body)},
        )

    async def close(self) -> None:
        await self._poster.close()

    def _signed(self, message: Message, body: bytes) -> dict[str, str]:
        at = datetime.fromtimestamp(int(message.at), timezone.utc)
        text = body.decode()
        return {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(message.at)),
            "webhook-signature": " ".join(
                signer.sign(message.id, at, text) for signer in self._signers
            ),
        }


def payload(message: Message) -> dict[str, Any]:
    """Return the body, ready for JSON."""
    notification = message.notification
    alerts = [alert_of(transition) for transition in notification.current()]
    return {
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": 0,
        "status": "firing" if any(not alert.resolved for alert in alerts) else "resolved",
        "receiver": notification.receiver,
        "groupLabels": dict(notification.group_labels),
        "commonLabels": _common([alert.labels for alert in alerts]),
        "commonAnnotations": _common([alert.annotations for alert in alerts]),
        "externalURL": message.external_url,
        "alerts": [_entry(alert, message.external_url) for alert in alerts],
    }


def _entry(alert: Alert, generator: str) -> dict[str, Any]:
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": rfc3339(alert.starts_at),
        "endsAt": ZERO_TIME if alert.ends_at is None else rfc3339(alert.ends_at),
        "generatorURL": generator,
        "fingerprint": fingerprint(alert.labels),
    }


def _common(tables: Sequence[dict[str, str]]) -> dict[str, str]:
    if not tables:
        return {}
    first, *others = tables
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }
