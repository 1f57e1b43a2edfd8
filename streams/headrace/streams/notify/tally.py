"""The metrics of ``notify``. No URL and no secret is ever among its labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.sinks.notify.notifier import Notifier
from headrace.streams.notify.teller import Due
from headrace.streams.worker_metrics import Metrics

_OUTCOMES = {"delivered": "delivered", "retrying": "retried", "parked": "parked"}


class Tally:
    """What one worker counts while it has the partition. For one loop."""

    def __init__(self, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._news: dict[str, float] = {}
        """When what waits was judged, by delivery."""

    def handed_over(self, due: Due) -> None:
        """Note a delivery that is about to be queued."""
        if due.news_at is not None:
            self._news[due.notification.delivery_id] = due.news_at

    def settled(self, record: DeliveryRecord) -> None:
        """Count what became of a delivery."""
        outcome = _OUTCOMES.get(record.status)
        if outcome is not None:
            self._metrics.notifications.labels(record.notification.receiver, outcome).inc()
        if record.status in {"delivered", "parked"}:
            news_at = self._news.pop(record.id, None)
            if news_at is not None and record.status == "delivered":
                self._metrics.notify_seconds.observe(max(0.0, self._clock() - news_at))

    def nobody(self, receivers: Iterable[str]) -> None:
        """Count the receivers that an alert named in vain."""
        for _ in receivers:
            self._metrics.notify_unknown.inc()

    def look(self, notifier: Notifier, parked: int, silences: int) -> None:
        """Show how things stand."""
        for name, waiting in notifier.waiting.items():
            self._metrics.notify_waiting.labels(name).set(waiting)
            self._metrics.notify_disabled.labels(name).set(name in notifier.disabled)
        self._metrics.notify_parked.set(parked)
        self._metrics.silences_active.set(silences)

    def over(self) -> None:
        """Show nothing any more: another worker has the partition."""
        self._metrics.notify_waiting.clear()
        self._metrics.notify_disabled.clear()
        self._metrics.notify_parked.set(0)
        self._metrics.silences_active.set(0)
