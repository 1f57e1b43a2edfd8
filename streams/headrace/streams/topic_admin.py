"""Create the topics and keep their configuration as the settings say.

Partitions are never changed here: keys hang on them. A broker that cannot alter configuration (the
embedded one) keeps what it was created with, and :func:`diff` does not ask it for more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from headrace.events.errors import HeadraceError, Retryable
from headrace.events.settings import Settings
from headrace.events.topics import AUDIT, LOCAL_CLUSTER, TopicSpec, class_topic, specs
from headrace.streams import away
from headrace.streams.audit.class_topics import classes_of, evidence

REQUEST_MS: Final = 20_000
"""Creating seven topics takes a second on a laptop; a cluster that elects leaders takes longer."""

CONFIG_PAUSE: Final = 0.2
"""Seconds between two questions for what a broker does not know yet."""
MOST_REPLICAS: Final = 3
LEAST_DAYS: Final = 30
"""Of agent.audit, whatever the policy says: for as long the vault may be away."""
ALREADY_EXISTS: Final = 36


class TopicError(HeadraceError):
    """The brokers refused a change. The message names the topic."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between a topic and its specification."""

    topic: str
    what: str
    """For a person: ``is missing``, ``retention.ms is 1, should be 2``."""
    fixable: bool
    """Whether :func:`apply` mends it."""

    def __str__(self) -> str:
        return f"{self.topic} {self.what}"


async def apply(settings: Settings) -> list[Change]:
    """Create what is missing, set the configuration that differs; return what was done.

    Safe to run twice and from two places. Raises :class:`TopicError` where the brokers refuse,
    :class:`Retryable` where they are away.
    """
    async with _admin(settings) as admin:
        found = await _differences(admin, settings)
        wanted = _wanted(settings)
        missing = [wanted[change.topic] for change in found if change.what == MISSING]
        if missing:
            await _create(admin, settings, missing)
        altered = {change.topic for change in found if change.fixable and change.what != MISSING}
        for topic in sorted(altered):
            await _alter(admin, topic, _config(settings, wanted[topic], await _brokers(admin)))
        return [change for change in found if change.fixable]


async def diff(settings: Settings) -> list[Change]:
    """Compare the topics with the settings. Changes nothing.

    Raises :class:`Retryable` where the brokers are away.
    """
    async with _admin(settings) as admin:
        return await _differences(admin, settings)


MISSING: Final = "is missing"
LEFT: Final = "is of no class of the policy: it is kept as it is; delete it once nobody reads it"


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    kafka = settings.need_kafka()
    admin = AIOKafkaAdminClient(**kafka.client_kwargs(), request_timeout_ms=REQUEST_MS)
    try:
        await asyncio.wait_for(admin.start(), REQUEST_MS / 1000)
        yield admin
    except (KafkaError, OSError, asyncio.TimeoutError) as error:
        raise Retryable(away.explain(kafka, error)) from None
    finally:
        await admin.close()


def _wanted(settings: Settings) -> dict[str, TopicSpec]:
    wanted: list[TopicSpec] = []
    for spec in specs(
        partitions=settings.partitions,
        retention_days=settings.retention_days,
        max_event_bytes=settings.max_event_bytes,
    ):
        wanted += evidence(settings.audit, spec) if spec.name == AUDIT else [spec]
    return {settings.topic(spec.name): spec for spec in wanted}


async def _differences(admin: AIOKafkaAdminClient, settings: Settings) -> list[Change]:
    wanted = _wanted(settings)
    cluster = await admin.describe_cluster()
    brokers = len(cluster["brokers"])
    there = {topic["topic"]: topic for topic in await admin.describe_topics()}
    changes = [Change(topic, MISSING, fixable=True) for topic in wanted if topic not in there]
    present = [topic for topic in wanted if topic in there]
    if settings.audit.topic_per_class:
        left = {settings.topic(class_topic(one)) for one in classes_of(settings, there)}
        changes += [Change(topic, LEFT, fixable=False) for topic in sorted(left - wanted.keys())]
    for topic in present:
        changes += _layout(there[topic], topic, wanted[topic], _replication(settings, brokers))
    # The embedded broker takes configuration at creation and reports little of it.
    if present and not str(cluster.get("cluster_id")).startswith(LOCAL_CLUSTER):
        actual = await _configs(admin, present)
        for topic in present:
            should = _config(settings, wanted[topic], brokers)
            changes += [
                Change(topic, f"has {name} = {actual[topic].get(name)}, not {value}", fixable=True)
                for name, value in should.items()
                if actual[topic].get(name) != value
            ]
    return changes


def _layout(there: Any, topic: str, spec: TopicSpec, replication: int) -> Iterable[Change]:
    partitions = len(there["partitions"])
    if partitions != spec.partitions:
        yield Change(
            topic,
            f"has {partitions} partitions, not {spec.partitions}: they are fixed for its life",
            fixable=False,
        )
    replicas = min((len(part["replicas"]) for part in there["partitions"]), default=0)
    if replicas < replication:
        yield Change(
            topic,
            f"has {replicas} replicas, not {replication}: use kafka-reassign-partitions",
            fixable=False,
        )


def _replication(settings: Settings, brokers: int) -> int:
    return settings.replication or max(1, min(brokers, MOST_REPLICAS))


def _config(settings: Settings, spec: TopicSpec, brokers: int) -> dict[str, str]:
    replication = _replication(settings, brokers)
    # With three copies, an acknowledged event stands on two brokers and one may be away.
    return {**spec.config, "min.insync.replicas": str(max(1, replication - 1))}


async def _brokers(admin: AIOKafkaAdminClient) -> int:
    return len((await admin.describe_cluster())["brokers"])


async def _create(admin: AIOKafkaAdminClient, settings: Settings, missing: list[TopicSpec]) -> None:
    brokers = await _brokers(admin)
    new = [
        NewTopic(
            settings.topic(spec.name),
            spec.partitions,
            _replication(settings, brokers),
            topic_configs=_config(settings, spec, brokers),
        )
        for spec in missing
    ]
    response: Any = await admin.create_topics(new)
    for topic, code, *message in response.topic_errors:
        if code not in (0, ALREADY_EXISTS):
            why = next((text for text in message if text), for_code(code).__name__)
            raise TopicError(f"topic {topic} cannot be created: {why}")


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    until = monotonic() + REQUEST_MS / 1000
    while True:
        result, unknown = _described(await admin.describe_configs(resources), names)
        # One broker may have made a topic that another has not heard of yet.
        if not unknown:
            return result
        if monotonic() > until:
            raise Retryable(f"Kafka does not tell the configuration of {', '.join(unknown)}")
        await asyncio.sleep(CONFIG_PAUSE)


def _described(
    responses: list[Any], names: list[str]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return each topic's configuration, and the topics of which an answer has none."""
    result: dict[str, dict[str, str]] = {name: {} for name in names}
    for response in responses:
        for resource in response.to_object()["resources"]:
            for entry in resource["config_entries"]:
                result[resource["resource_name"]][entry["config_names"]] = entry["config_value"]
    return result, [name for name, found in result.items() if not found]


async def _alter(admin: AIOKafkaAdminClient, topic: str, should: dict[str, str]) -> None:
    # Kafka replaces the whole set of a topic: what others have set must be sent along.
    current = await _overrides(admin, topic)
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={**current, **should})
    responses: list[Any] = await admin.alter_configs([resource])
    for response in responses:
        for code, message, *_ in response.resources:
            if code:
                raise TopicError(f"topic {topic} cannot be altered: {message}")


async def _overrides(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    dynamic_topic_config = 1
    result = {}
    for response in await admin.describe_configs([resource]):
        for one in response.to_object()["resources"]:
            for entry in one["config_entries"]:
                if entry.get("config_source") == dynamic_topic_config:
                    result[entry["config_names"]] = entry["config_value"]
    return result
