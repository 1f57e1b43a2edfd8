"""The audit evidence that a person asked to be forgotten, and was: an event like any other."""

from __future__ import annotations

from typing import Any, Final

from headrace.cli.faults import CommandError
from headrace.events import types
from headrace.events.settings import Settings
from headrace.producers import EventProducer

ACKNOWLEDGED_WITHIN_S: Final = 60.0


def emit(settings: Settings, tenant: str, request: str, data: dict[str, Any]) -> None:
    """Write an event of evidence; return once Kafka has it. Raises CommandError."""
    producer = EventProducer(
        settings.need_kafka(),
        tenant=tenant,
        spool_dir=settings.spool,
        topic_prefix=settings.topic_prefix,
        max_event_bytes=settings.max_event_bytes,
    )
    producer.hook(session=request).emit(types.ERASURE, {"request": request, **data})
    report = producer.close(timeout=ACKNOWLEDGED_WITHIN_S)
    if report.spooled or report.dropped:
        raise CommandError(
            "Kafka has not acknowledged the evidence of this request: see `headrace doctor`, then"
            " run the same command again to go on"
        )
