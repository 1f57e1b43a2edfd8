"""Debian's Alertmanager shows what we tell it, and resolves it when we say so."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from headrace.sinks.notify.alert import alert_of, fingerprint
from headrace.sinks.notify.delivery_log import MemoryDeliveryLog
from headrace.sinks.notify.notification import Notification
from headrace.sinks.notify.notifier import Notifier
from headrace.sinks.notify.receiver import Receiver
from headrace.sinks.notify.receivers import read_receivers
from tests.notify.endpoint import endpoint
from tests.notify.things import notification, started, transition
from tests.support import wait_until, wait_until_sync

pytestmark = pytest.mark.programs

CONFIG = """
route: {receiver: hook, group_wait: 0s, group_interval: 1s, group_by: [alertname]}
receivers:
  - name: hook
    webhook_configs: [{url: "http://127.0.0.1:%d/"}]
"""


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """The address of one with a configuration that pages nobody."""
    program = shutil.which("prometheus-alertmanager")
    assert program, "apt-get install prometheus-alertmanager"
    (tmp_path / "am.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    with running(program, tmp_path) as url:
        yield url


@contextmanager
def running(program: str, directory: Path) -> Iterator[str]:
    log = directory / "log"
    command = [
        program,
        f"--config.file={directory / 'am.yml'}",
        f"--storage.path={directory / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
        "--log.format=json",
    ]
    with log.open("wb") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)

    def address() -> str | None:
        text = log.read_text()
        assert process.poll() is None, text
        found = re.search(r'"address":"(127\.0\.0\.1:\d+)"', text)
        return f"http://{found.group(1)}" if found else None

    try:
        url = wait_until_sync(address, what="alertmanager listens") or ""
        wait_until_sync(lambda: _ready(url), what="alertmanager is ready")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/-/ready", trust_env=False).is_success
    except httpx.TransportError:
        return False


async def shown(address: str, state: str = "active") -> list[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        found = await client.get(f"{address}/api/v2/alerts", params={"active": "true"})
    alerts: list[dict[str, Any]] = found.json()
    return [alert for alert in alerts if alert["status"]["state"] == state]


def receiver(address: str) -> Receiver:
    table = {"name": "am", "kind": "alertmanager", "url": address, "allow": ["127.0.0.1"]}
    return read_receivers([table], {})[0]


def told(*transitions: dict[str, Any]) -> Notification:
    return notification(*transitions, receiver="am")


async def test_it_fires_there_and_resolves_there(alertmanager: str) -> None:
    began = time.time() - 30
    firing = transition(starts_at=began, at=began, labels={"gen_ai.system": "x"})
    other = transition(alert="a2", starts_at=began, at=began, rule="Other")
    async with started(Notifier([receiver(alertmanager)], MemoryDeliveryLog())) as notifier:
        await notifier.notify(told(firing, other))

        async def both() -> list[dict[str, Any]]:
            found = await shown(alertmanager)
            return found if len(found) == 2 else []

        found = {alert["labels"]["alertname"]: alert for alert in await wait_until(both)}
        alert = found["ToolFailureRate"]
        expected = alert_of(firing)
        assert alert["labels"] == expected.labels
        assert alert["annotations"] == expected.annotations
        assert alert["fingerprint"] == fingerprint(expected.labels)
        # Longer than resolve_timeout, 5 minutes, after which it would pass for resolved.
        assert alert["endsAt"] > time.strftime("%Y-%m-%dT", time.gmtime(time.time() + 6 * 86_400))

        resolved = {**firing, "state": "resolved", "seq": 2, "ends_at": time.time() - 1}
        await notifier.notify(told(resolved))

        async def one() -> bool:
            return [a["labels"]["alertname"] for a in await shown(alertmanager)] == ["Other"]

        await wait_until(one)
        assert await notifier.parked() == []


async def test_its_own_webhooks_tell_what_ours_tell(tmp_path: Path) -> None:
    """Our webhook's payload beside the one that a real Alertmanager makes of the same alert."""
    program = shutil.which("prometheus-alertmanager")
    assert program, "apt-get install prometheus-alertmanager"
    secret = "whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    async with endpoint(secret) as theirs, endpoint(secret) as ours:
        (tmp_path / "am.yml").write_text(CONFIG % theirs.port)
        with running(program, tmp_path) as address:
            tables = [
                {"name": "am", "kind": "alertmanager", "url": address, "allow": ["127.0.0.1"]},
                {
                    "name": "hook",
                    "kind": "webhook",
                    "url": ours.url(),
                    "secret_env": "S",
                    "allow": ["127.0.0.1"],
                },
            ]
            receivers = read_receivers(tables, {"S": secret})
            began = int(time.time()) - 30 + 0.125  # three digits, as both write them
            firing = transition(starts_at=began, at=began)
            async with started(Notifier(receivers, MemoryDeliveryLog())) as notifier:
                await notifier.notify(told(firing))
                await notifier.notify(notification(firing, receiver="hook"))
                await wait_until(lambda: theirs.got and ours.got, what="both have heard")
    made, sent = theirs.got[0].json, ours.got[0].json
    assert sent.keys() <= made.keys()
    for key in ("version", "status", "receiver", "commonLabels", "commonAnnotations"):
        assert sent[key] == made[key]
    assert sent["alerts"][0].keys() <= made["alerts"][0].keys()
    for key in ("status", "labels", "annotations", "startsAt", "fingerprint"):
        assert sent["alerts"][0][key] == made["alerts"][0][key]
