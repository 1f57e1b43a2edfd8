"""What telling the receivers measures."""

from __future__ import annotations

from typing import Final

from headrace.streams.worker_metrics_defs.definition import MetricDef

NOTIFICATIONS: Final = MetricDef(
    "headrace_notifications_total",
    "counter",
    ("receiver", "outcome"),
    "Deliveries to a receiver, by what a try made of them: delivered, retried or parked",
    "retried grows: the receiver is slow or away; parked: `headrace alerts deliveries` says why",
)
WAITING: Final = MetricDef(
    "headrace_notify_waiting",
    "gauge",
    ("receiver",),
    "Deliveries that wait for a receiver, the one being tried included",
    "Growing: the receiver is slow or away; at 1000 what comes is parked",
)
PARKED: Final = MetricDef(
    "headrace_notify_parked",
    "gauge",
    (),
    "Deliveries that wait for a person",
    "Above 0: `headrace alerts deliveries` says why, `headrace alerts redeliver` sends one again",
)
DISABLED: Final = MetricDef(
    "headrace_notify_disabled",
    "gauge",
    ("receiver",),
    "1 where a receiver answered 410 Gone and is told nothing any more",
    "1: mend the receiver, then redeliver what is parked or restart the worker",
)
UNKNOWN: Final = MetricDef(
    "headrace_notify_unknown_receiver_total",
    "counter",
    (),
    "Times that an alert named a receiver that the rules file does not have: nobody was told",
    "Growing: add the [[receiver]] to HEADRACE_ALERT_RULES and start the worker again",
)
SECONDS: Final = MetricDef(
    "headrace_notify_seconds",
    "histogram",
    (),
    "Time from the judgement of an alert to its delivery, repeats and restarts left out",
    "Above 2 s: a receiver is slow, or grouping waits as the rules file says",
    (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0),
)
SILENCES_ACTIVE: Final = MetricDef(
    "headrace_silences_active",
    "gauge",
    (),
    "Silences in force",
    "Above 0 for long: `headrace silence list` says whose, and until when",
)

METRICS: Final = (
    NOTIFICATIONS,
    WAITING,
    PARKED,
    DISABLED,
    UNKNOWN,
    SECONDS,
    SILENCES_ACTIVE,
)
