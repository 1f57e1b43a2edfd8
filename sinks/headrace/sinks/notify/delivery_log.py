"""What became of each delivery, kept so that a restart goes on where the last process stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, cast

from headrace.sinks.notify.notification import Notification

Status = Literal["queued", "retrying", "delivered", "parked", "asked"]
"""``asked``: it was parked, and a person asked for it to be delivered again."""

UNFINISHED: Final[frozenset[Status]] = frozenset({"queued", "retrying"})


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """A delivery as it is now. Holds all that is needed to go on with it, and no secret."""

    id: str
    notification: Notification
    status: Status
    tries: int
    first_at: float
    """When it was queued, or queued again by a person: Unix seconds."""
    at: float
    """When it became what it is now: Unix seconds."""
    next_at: float | None = None
    """When it is tried next, Unix seconds; None for one that is not tried again."""
    reason: str = ""
    """Why the last try ended as it did, or why the delivery is parked."""

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON; :meth:`from_dict` takes it back."""
        notification = self.notification
        return {
            "v": 1,
            "id": self.id,
            "receiver": notification.receiver,
            "group_key": notification.group_key,
            "group_labels": dict(notification.group_labels),
            "number": notification.number,
            "ids": [list(one) for one in notification.ids],
            "transitions": [dict(one) for one in notification.transitions],
            "status": self.status,
            "tries": self.tries,
            "first_at": self.first_at,
            "at": self.at,
            "next_at": self.next_at,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> DeliveryRecord:
        """Raises :class:`KeyError` for what :meth:`as_dict` did not write."""
        notification = Notification(
            found["receiver"],
            found["group_key"],
            found["group_labels"],
            tuple(found["transitions"]),
            found["number"],
        )
        return cls(
            found["id"],
            notification,
            cast("Status", found["status"]),
            found["tries"],
            found["first_at"],
            found["at"],
            found["next_at"],
            found["reason"],
        )


class DeliveryLog(Protocol):
    """Where records are appended; of each delivery the last one counts.

    Used by the tasks of one loop, several at a time; the appends of one delivery never overlap.
    Only what must still be sent or shown has to be kept: unfinished and parked deliveries whole,
    delivered ones for as long as they may be notified again, and of those no transitions.
    """

    async def append(self, record: DeliveryRecord) -> None:
        """Keep a record. When it returns, the record survives a restart.

        Raises :class:`~headrace.events.errors.Retryable` if it may succeed later.
        """
        ...

    async def last(self, delivery_id: str) -> DeliveryRecord | None:
        """Return the last record of a delivery."""
        ...

    async def having(self, statuses: Collection[Status]) -> list[DeliveryRecord]:
        """Return the last record of each delivery whose status is among these, first come first."""
        ...


class MemoryDeliveryLog:
    """Keeps the last record of each delivery in this process, and forgets with it."""

    def __init__(self) -> None:
        self._last: dict[str, DeliveryRecord] = {}

    async def append(self, record: DeliveryRecord) -> None:
        self._last[record.id] = record

    async def last(self, delivery_id: str) -> DeliveryRecord | None:
        return self._last.get(delivery_id)

    async def having(self, statuses: Collection[Status]) -> list[DeliveryRecord]:
        return [record for record in self._last.values() if record.status in statuses]
