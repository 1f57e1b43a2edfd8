"""The topics: their names, what they are for, and how they should be configured."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from headrace.events.errors import SettingsError

DAY_MS: Final = 24 * 60 * 60 * 1000

LOCAL_CLUSTER: Final = "headrace-local-"
"""Ids of embedded clusters begin with this. They forget everything at a restart, which draws a new
id, and know no idempotent producers."""

EVENTS: Final = "agent.events"
AUDIT: Final = "agent.audit"
AUDIT_STATE: Final = "agent.audit.state"
ERASURES: Final = "agent.erasures"
LOGS: Final = "agent.logs"
SPANS: Final = "agent.spans"
TRACES_STATE: Final = "agent.traces.state"
METRICS: Final = "agent.metrics"
METRICS_STATE: Final = "agent.metrics.state"
ALERTS: Final = "agent.alerts"
ALERTS_LOG: Final = "agent.alerts.log"
ALERTS_STATE: Final = "agent.alerts.state"
SILENCES: Final = "agent.alerts.silences"
DELIVERIES: Final = "agent.alerts.deliveries"
DEAD_LETTERS: Final = "agent.events.dlq"


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it should be. Partitions are fixed for its life: keys hang on them."""

    name: str
    """Without the configured prefix."""
    purpose: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def class_topic(audit_class: str) -> str:
    """Name the topic of one class of evidence, where each has its own."""
    return f"{AUDIT}.{audit_class}"


def sealed_bytes(max_event_bytes: int) -> int:
    """Return what a record of agent.audit may take: ciphertext in base64 is longer by a third."""
    return max_event_bytes * 4 // 3 + 131_072


def specs(*, partitions: int, retention_days: int, max_event_bytes: int) -> tuple[TopicSpec, ...]:
    """Every topic of headrace. ``partitions`` is for the topics keyed by session."""
    if partitions < 1:
        raise SettingsError(f"partitions must be at least 1, not {partitions}")
    # Room for the record's framing, its key and its headers beside the event.
    message = {"max.message.bytes": str(max_event_bytes + 65_536)}
    sealed = {"max.message.bytes": str(sealed_bytes(max_event_bytes))}
    kept = {"cleanup.policy": "delete", "retention.ms": "-1"}
    limited = {"cleanup.policy": "delete", "retention.ms": str(retention_days * DAY_MS)}
    compacted = {"cleanup.policy": "compact"}
    # What a worker reads whole when it begins: only closed segments are compacted.
    reread = compacted | message | {"segment.bytes": str(64 * 1024 * 1024)}
    # It names people's sessions: what is overwritten must go, too.
    forgotten = {"max.compaction.lag.ms": str(DAY_MS), "segment.ms": str(DAY_MS)}
    latest = {"cleanup.policy": "compact,delete", "retention.ms": str(30 * DAY_MS)}
    return (
        TopicSpec(EVENTS, "every event, keyed by session", partitions, limited | message),
        TopicSpec(AUDIT, "evidence, kept as the policy says", partitions, kept | sealed),
        TopicSpec(AUDIT_STATE, "how far evidence was split off", partitions, compacted | message),
        TopicSpec(ERASURES, "whose events are to be forgotten", 1, compacted),
        TopicSpec(LOGS, "log records of agents", partitions, limited | message),
        TopicSpec(SPANS, "spans of turns, model calls and tools", partitions, limited | message),
        TopicSpec(
            TRACES_STATE, "what is under way in traces", partitions, compacted | message | forgotten
        ),
        TopicSpec(METRICS, "latest panes, compacted", partitions, latest),
        TopicSpec(
            METRICS_STATE,
            "what the metrics' workers have counted so far",
            partitions,
            compacted | message,
        ),
        TopicSpec(ALERTS, "latest state of each alert", 1, compacted),
        TopicSpec(ALERTS_LOG, "every transition of an alert", 1, kept),
        TopicSpec(ALERTS_STATE, "how far alerts were judged and told of", 1, reread),
        TopicSpec(SILENCES, "silences, by id", 1, compacted),
        TopicSpec(DELIVERIES, "latest state of each delivery", 1, reread),
        TopicSpec(DEAD_LETTERS, "records that the archive refused", 1, kept | message),
    )
