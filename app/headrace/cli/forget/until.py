"""Until when Kafka may hold what it was given: it deletes by age, a segment at a time."""

from __future__ import annotations

from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from headrace.cli.faults import CommandError
from headrace.cli.forget.certificate import Pending
from headrace.cli.text import one_line
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.events.topics import LOCAL_CLUSTER
from headrace.streams import away

REQUEST_MS: Final = 20_000
TOPICS: Final = (topics.EVENTS, topics.LOGS, topics.SPANS, topics.DEAD_LETTERS)
"""Those in which records are people's, in plain."""


async def cluster_id(settings: Settings) -> str:
    """Return the cluster's id. Raises CommandError where Kafka is away."""
    async with _Admin(settings) as admin:
        return str((await admin.describe_cluster())["cluster_id"])


async def kafka_until(settings: Settings, now: float) -> list[Pending]:
    """Say for each topic until when it may hold what was written to it up to now."""
    async with _Admin(settings) as admin:
        cluster = str((await admin.describe_cluster())["cluster_id"])
        names = [settings.topic(name) for name in TOPICS]
        if cluster.startswith(LOCAL_CLUSTER):
            why = "in the embedded Kafka's memory until it is started anew: `headrace up` again"
            return [Pending(f"Kafka {name}", why, None, cluster) for name in names]
        configs = await _configs(admin, names)
    dead = settings.topic(topics.DEAD_LETTERS)
    return [
        _until(name, config, now, cut_off=name == dead)
        for name, config in configs.items()
        if config
    ]


def _until(name: str, config: dict[str, str], now: float, *, cut_off: bool) -> Pending:
    segment = int(config["segment.ms"]) / 1000
    if cut_off:
        why = (
            "cut off for readers; on the brokers' disks until the segment is closed, by the first"
            " record after segment.ms, and deleted"
        )
        delete = int(config.get("file.delete.delay.ms", "60000")) / 1000
        return Pending(f"Kafka {name}", why, now + segment + delete)
    retention = int(config["retention.ms"]) / 1000
    if retention < 0:
        why = "its retention.ms is -1: it keeps everything until that is set"
        return Pending(f"Kafka {name}", why, None)
    why = "retention.ms, and segment.ms before it, since Kafka deletes by segments"
    return Pending(f"Kafka {name}", why, now + retention + segment)


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    there = {topic["topic"] for topic in await admin.describe_topics()}
    found: dict[str, dict[str, str]] = {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names if name in there]
    for response in await admin.describe_configs(resources):
        for resource in response.to_object()["resources"]:
            entries: list[dict[str, Any]] = resource["config_entries"]
            found[resource["resource_name"]] = {
                entry["config_names"]: entry["config_value"] for entry in entries
            }
    return found


class _Admin:
    """An admin client for one question. Its faults are one line."""

    def __init__(self, settings: Settings) -> None:
        self._kafka = settings.need_kafka()
        self._client = AIOKafkaAdminClient(
            **self._kafka.client_kwargs(), request_timeout_ms=REQUEST_MS
        )

    async def __aenter__(self) -> AIOKafkaAdminClient:
        try:
            await self._client.start()
        except (KafkaError, OSError) as error:
            await self._client.close()
            raise CommandError(one_line(away.explain(self._kafka, error))) from None
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
