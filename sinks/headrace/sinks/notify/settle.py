"""What a try's outcome makes of a delivery: a function of its arguments alone."""

from __future__ import annotations

from dataclasses import replace

from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.sinks.notify.outcome import Outcome
from headrace.sinks.notify.schedule import Schedule, Uniform


def settle(
    record: DeliveryRecord, outcome: Outcome, now: float, schedule: Schedule, uniform: Uniform
) -> DeliveryRecord:
    """Return the delivery after one more try that ended at ``now`` (Unix seconds)."""
    tries = record.tries + 1
    if outcome.verdict == "delivered":
        after = replace(record, status="delivered", next_at=None, reason=outcome.reason)
    elif outcome.verdict != "retry":
        after = park(record, outcome.reason, now)
    else:
        next_at = now + schedule.wait(tries, outcome.retry_after, uniform)
        if next_at > record.first_at + schedule.give_up_after:
            hours = schedule.give_up_after / 3600
            after = park(record, f"given up after {hours:g} h: {outcome.reason}", now)
        else:
            after = replace(record, status="retrying", next_at=next_at, reason=outcome.reason)
    return replace(after, tries=tries, at=now)


def park(record: DeliveryRecord, reason: str, now: float) -> DeliveryRecord:
    """Return the delivery as one that a person must look at."""
    return replace(record, status="parked", next_at=None, reason=reason, at=now)
