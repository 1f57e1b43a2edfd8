"""Writing and reading what was judged: ``agent.alerts.log``, ``agent.alerts``, ``.state``.

Each is written once the one before is acknowledged. Whoever goes on after a crash in between judges
again from what ``agent.alerts.state`` says, and writes the same transitions under the same
identities.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams import compacted
from headrace.streams.alerts.partition import Judged, Verdicts
from headrace.streams.alerts.transition import Transition

log = logging.getLogger(__name__)

_STATE: Final = "judged/"
"""Behind it the partition of agent.metrics: notify keeps its own beside it."""

Record = tuple[str, bytes | None]


class AlertsLog:
    """The topics of alerts. For one loop."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self._settings = settings
        self._producer = producer

    async def write(self, verdicts: Verdicts) -> None:
        """Write what was judged; returns when every in-sync replica has it.

        Raises KafkaError or OSError. It may be repeated then, but only whole.
        """
        transitions = [(one.transition, one.logged) for one in verdicts.changes]
        await self._send(
            topics.ALERTS_LOG, [(one.id, one.encode()) for one, logged in transitions if logged]
        )
        latest: dict[str, bytes | None] = {one.id: one.encode() for one, _ in transitions}
        latest |= dict.fromkeys(verdicts.outlived)
        await self._send(topics.ALERTS, latest.items())
        judged = {"v": 1, "end": verdicts.judged.end, "offset": verdicts.judged.offset}
        state = orjson.dumps(judged)
        await self._send(topics.ALERTS_STATE, [(f"{_STATE}{verdicts.partition}", state)])

    async def _send(self, topic: str, records: Iterable[Record]) -> None:
        name = self._settings.topic(topic)
        sent = [await self._producer.send(name, value, key.encode()) for key, value in records]
        await asyncio.gather(*sent)

    async def judged(self) -> dict[int, Judged]:
        """Read how far each partition was judged.

        Raises what :func:`headrace.streams.compacted.latest` does.
        """
        found = {}
        for key, value in (await self._latest(topics.ALERTS_STATE)).items():
            name, _, partition = key.decode(errors="replace").rpartition("/")
            if f"{name}/" == _STATE:
                data = orjson.loads(value)
                found[int(partition)] = Judged(data["end"], data["offset"])
        return found

    async def transitions(self) -> dict[int, list[Transition]]:
        """Read the latest record of each alert, by the partition that has its tenant's panes.

        Raises what :func:`headrace.streams.compacted.latest` does.
        """
        targets = sorted(await self._producer.partitions_for(self._settings.topic(topics.METRICS)))
        partitioner = DefaultPartitioner()
        found: dict[int, list[Transition]] = {}
        for value in (await self._latest(topics.ALERTS)).values():
            try:
                record = Transition.from_data(orjson.loads(value))
            except ValueError as error:
                log.warning("a record of agent.alerts cannot be read: %s", error)
                continue
            target = partitioner(record.tenant.encode(), targets, targets)
            found.setdefault(target, []).append(record)
        return found

    async def _latest(self, topic: str) -> dict[bytes, bytes]:
        return await compacted.latest(self._settings.need_kafka(), self._settings.topic(topic))
