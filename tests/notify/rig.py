"""The worker of ``notify`` as it runs: transitions go into agent.alerts.log, webhooks come out."""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer

from headrace.events import topics
from tests.archive.rig import Rig, Worker
from tests.notify.endpoint import Endpoint, Got
from tests.notify.things import transition
from tests.support import wait_until

GROUPING = '[grouping]\nby = ["alertname"]\nwait = "0s"\ninterval = "1s"\nrepeat = "{repeat}"\n'
EVERY_TOPIC = (
    topics.ALERTS,
    topics.ALERTS_LOG,
    topics.ALERTS_STATE,
    topics.SILENCES,
    topics.DELIVERIES,
)


def a_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass
class NotifyRig(Rig):
    """One worker or more, and endpoints that it tells."""

    hidden: list[str] = field(default_factory=list)
    """What must be seen nowhere."""

    def rules(self, *receivers: tuple[str, Endpoint], repeat: str = "1h", more: str = "") -> None:
        """Write the rules file of the next workers; each receiver has its endpoint."""
        text = GROUPING.format(repeat=repeat)
        for name, there in receivers:
            hidden = secrets.token_hex(12)
            self.hidden += [hidden, *there.secrets]
            self.environment |= {
                f"{name.upper()}_URL": f"http://127.0.0.1:{there.port}/hook/{hidden}",
                f"{name.upper()}_SECRET": " ".join(there.secrets),
            }
            text += (
                f'[[receiver]]\nname = "{name}"\nkind = "webhook"\nurl_env = "{name.upper()}_URL"\n'
                f'secret_env = "{name.upper()}_SECRET"\nallow = ["127.0.0.1"]\n'
            )
        path = self.directory / "rules.toml"
        path.write_text(text + more)
        self.environment["HEADRACE_ALERT_RULES"] = str(path)

    async def begin(self) -> Worker:
        """Start a worker and wait until it has the partition or stands by."""
        worker = await self.start(name="notify")
        await wait_until(worker.healthy, 60, what="healthy")
        return worker

    async def write(self, *transitions: dict[str, Any]) -> None:
        """Write transitions to agent.alerts.log, and wait for their acknowledgement."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka, acks="all")
        await producer.start()
        try:
            topic = self.prefix + topics.ALERTS_LOG
            for one in transitions:
                await producer.send(topic, orjson.dumps(one), key=one["id"].encode())
            await producer.flush()
        finally:
            await producer.stop()

    async def got(self, there: Endpoint, *expected: tuple[str, str], timeout: float = 60) -> None:
        """Wait until the endpoint was told of all these alerts: names and states."""
        try:
            await wait_until(
                lambda: set(expected) <= {one for got in there.got for one in alerts(got)},
                timeout,
                what=f"{expected} are told",
            )
        except AssertionError as error:
            told = list(map(alerts, there.got))
            raise AssertionError(f"{error}: {told}\n{self.last_words()}") from None

    async def one_id_for_each_number(self, there: Endpoint) -> None:
        """Each notification of a group was queued under one id, and told with one body."""
        bodies = defaultdict(set)
        for got in there.got:
            bodies[got.headers["webhook-id"]].add(got.body)
        assert all(len(said) == 1 for said in bodies.values())
        numbers = defaultdict(set)
        said = [one for one in await self.records(topics.DELIVERIES) if one.value is not None]
        for record in said:
            delivery = orjson.loads(record.value)
            numbers[delivery["group_key"], delivery["number"]].add(delivery["id"])
        assert all(len(told) == 1 for told in numbers.values()), numbers
        assert set(bodies) <= {one for told in numbers.values() for one in told}

    async def nothing_hidden_is_seen(self, worker: Worker) -> None:
        """No secret and no URL in any topic, in the log or on /metrics."""
        _, metrics = await asyncio.to_thread(worker.get, "/metrics")
        seen = [metrics.encode(), worker.log.read_bytes()]
        for topic in EVERY_TOPIC:
            for record in await self.records(topic):
                seen += [record.key or b"", record.value or b""]
        assert self.hidden
        for hidden in self.hidden:
            assert not [text for text in seen if hidden.removeprefix("whsec_").encode() in text]


def news(
    name: str, state: str = "firing", seq: int = 1, *, to: Iterable[str] = ("ops",), **more: Any
) -> dict[str, Any]:
    """A transition of the alert ``name``, whose ``alertname`` is what stands before its full stop.

    The rule is its name, which the webhook shows.
    """
    rule = name.partition(".")[0]
    labels = {"alertname": rule, "tenant": "acme", "instance": name}
    return transition(
        state,
        name,
        seq,
        rule=rule,
        labels=labels,
        group={"tenant": "acme"},
        receivers=list(to),
        **{"at": time.time(), **more},
    )


def alerts(got: Got) -> list[tuple[str, str]]:
    """The alerts of a webhook and their states."""
    return [(one["labels"]["instance"], one["status"]) for one in got.json["alerts"]]


def ids(there: Endpoint) -> list[str]:
    return [got.headers["webhook-id"] for got in there.got]
