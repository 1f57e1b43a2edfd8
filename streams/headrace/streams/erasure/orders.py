"""The standing orders as agent.erasures has them, live."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Any, Final

from headrace.streams.erasure.order import Order, OrderError, decode
from headrace.streams.erasure.owner import Owner

log = logging.getLogger(__name__)

MOST_DECIDED: Final = 100_000
"""Sessions whose answer is remembered. A mark costs a microsecond an order."""


class Orders:
    """Fed by a :class:`~headrace.streams.follower.Follower`. For one loop."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._orders: dict[bytes, Order] = {}
        self._of_tenant: dict[str, list[Order]] = {}
        """The oldest first."""
        self._decided: dict[tuple[str, str, str | None], Order | None] = {}

    def __bool__(self) -> bool:
        return bool(self._orders)

    def take(self, message: Any) -> None:
        """Take a record in; what is no order is passed over with an error in the log."""
        key = message.key or b""
        if message.value is None:
            self._orders.pop(key, None)
        else:
            try:
                self._orders[key] = decode(message.value)
            except OrderError as error:
                log.error("%s: offset %d is passed over: %s", self._topic, message.offset, error)  # noqa: TRY400
                return
        self._decided.clear()
        of_tenant: defaultdict[str, list[Order]] = defaultdict(list)
        for order in sorted(self._orders.values(), key=lambda one: one.requested_at):
            of_tenant[order.tenant].append(order)
        self._of_tenant = dict(of_tenant)

    def match(self, owner: Owner | None) -> Order | None:
        """Return the oldest order that covers an event, None for none."""
        if owner is None or owner.tenant not in self._of_tenant:
            return None
        key = (owner.tenant, owner.session, owner.user)
        try:
            return self._decided[key]
        except KeyError:
            pass
        orders = self._of_tenant[owner.tenant]
        found = next((one for one in orders if one.covers(owner.session, owner.user)), None)
        if len(self._decided) >= MOST_DECIDED:
            self._decided.clear()
        self._decided[key] = found
        return found
