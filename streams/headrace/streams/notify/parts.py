"""What a duty works with: connections, what was read of the topics, and who tells."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from headrace.events import topics
from headrace.events.settings import Settings
from headrace.producers.kafka_log import incarnation_of
from headrace.sinks.notify.notifier import Notifier
from headrace.sinks.notify.receiver import Receiver
from headrace.streams.alerts.model import RuleSet
from headrace.streams.compacted import latest
from headrace.streams.follower import Follower
from headrace.streams.notify.codec import decode_transition
from headrace.streams.notify.deliveries import KafkaDeliveryLog
from headrace.streams.notify.lead import Lead
from headrace.streams.notify.saved import SavedState
from headrace.streams.notify.silences_feed import SilencesFeed
from headrace.streams.notify.tally import Tally
from headrace.streams.notify.teller import Teller
from headrace.streams.producer import start_producer

log = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0
"""For tries under way, when the partition is lost. Whoever takes over waits for it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the operator's file says: who is to be told, and how."""

    rules: RuleSet
    receivers: tuple[Receiver, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(receiver.name for receiver in self.receivers)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a duty works with. Its exit stack closes it."""

    settings: Settings
    producer: AIOKafkaProducer
    saved: SavedState
    deliveries: KafkaDeliveryLog
    lead: Lead
    feed: SilencesFeed
    followers: tuple[Follower, Follower]
    notifier: Notifier
    teller: Teller
    tally: Tally
    incarnation: str
    """Which log it is: another one begins at 0."""
    most_bytes: int
    """A transition's, and those of a delivery together."""
    stack: AsyncExitStack


async def open_parts(settings: Settings, plan: Plan, tally: Tally, stack: AsyncExitStack) -> Parts:
    """Connect, and read deliveries and silences to their ends.

    Raises KafkaError, OSError or Retryable where Kafka is away.
    """
    kafka = settings.need_kafka()
    producer = await start_producer(settings, "notify")
    stack.push_async_callback(producer.stop)
    incarnation = await incarnation_of(producer, settings.topic(topics.ALERTS_LOG))
    deliveries = KafkaDeliveryLog(producer, settings.topic(topics.DELIVERIES), tally.settled)
    lead = Lead(producer, settings.topic(topics.DELIVERIES))
    feed = SilencesFeed(settings.topic(topics.SILENCES))
    followers = (
        Follower(kafka, settings.topic(topics.DELIVERIES), _both(deliveries.take, lead.take)),
        Follower(kafka, settings.topic(topics.SILENCES), feed.take),
    )
    for follower in followers:
        stack.push_async_callback(follower.close)
    await asyncio.gather(*(follower.start() for follower in followers))
    notifier = Notifier(plan.receivers, deliveries, external_url=settings.external_url)
    stack.push_async_callback(notifier.close, CLOSE_SECONDS)
    # Half of what a record may have: beside them stand their ids and their group.
    most = settings.max_event_bytes // 2
    return Parts(
        settings,
        producer,
        SavedState(kafka, settings.topic(topics.ALERTS_STATE), producer, settings.max_event_bytes),
        deliveries,
        lead,
        feed,
        followers,
        notifier,
        Teller(plan.rules, plan.names, feed.silences, most),
        tally,
        incarnation,
        most,
        stack,
    )


def _both(first: Callable[[Any], None], second: Callable[[Any], None]) -> Callable[[Any], None]:
    def take(message: Any) -> None:
        first(message)
        second(message)

    return take


async def load(parts: Parts, now: float) -> int:
    """Take up what the last worker left; where to go on reading."""
    state = await parts.saved.load()
    if state is None:
        return 0
    parts.teller.load(state, now)
    if state["log"] == parts.incarnation:
        offset: int = state["offset"]
        return offset
    await _take_latest(parts, now)
    return 0


async def _take_latest(parts: Parts, now: float) -> None:
    """Take in what the log that is gone said last, which nobody may have read there.

    Without it an alert would be told of as firing for ever.
    """
    topic = parts.settings.topic(topics.ALERTS)
    for value in (await latest(parts.settings.need_kafka(), topic)).values():
        try:
            transition = decode_transition(value, parts.most_bytes)
        except ValueError as error:
            log.warning("%s: a record is passed over: %s", topic, error)
            continue
        parts.tally.nobody(parts.teller.take(transition, now))
