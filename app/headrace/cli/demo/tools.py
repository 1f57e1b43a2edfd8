"""The tools of the demo's agents: small, made-up businesses, with real waits and real failures."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from agentao.tools.base import Tool


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as data. ``run`` gets the call's arguments; what it raises is the tool's failure."""

    description: str
    run: Callable[[Mapping[str, Any]], str]
    parameters: tuple[str, ...]
    seconds: float
    confirm: bool = False


def _order(args: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "order_id": args["order_id"],
            "status": "shipped",
            "placed": "2026-11-14",
            "total": {"amount": "118.40", "currency": "EUR"},
            "lines": [
                {"sku": "KET-17-BLK", "title": "Kettle, 1.7 l, black", "quantity": 1},
                {"sku": "FLT-3", "title": "Limescale filter, pack of 3", "quantity": 2},
            ],
        }
    )


def _shipment(args: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "order_id": args["order_id"],
            "carrier": "DHL",
            "tracking": "JJD0003994012",
            "last_scan": {"at": "2026-11-22T05:41:00Z", "place": "Leipzig hub"},
            "expected": "2026-11-24",
        }
    )


def _customer(args: Mapping[str, Any]) -> str:
    return json.dumps(
        {
            "customer_id": args["customer_id"],
            "since": "2021-03-02",
            "tier": "gold",
            "open_tickets": 0,
            "language": "en",
        }
    )


def _refund(args: Mapping[str, Any]) -> str:
    return json.dumps({"refund_id": "rf-20417", "amount": args["amount"], "state": "sent to bank"})


def _sql(args: Mapping[str, Any]) -> str:
    rows = [
        {
            "month": f"2026-{month:02}",
            "revenue": 410_000 + month * 7_350,
            "orders": 5_120 + month * 61,
        }
        for month in range(1, 11)
    ]
    return json.dumps({"query": args["query"], "rows": rows, "row_count": len(rows)})


def _rates(args: Mapping[str, Any]) -> str:
    raise ConnectionError(f"rates.example: 502 Bad Gateway while asking for {args['currency']}")


def _cached_rates(args: Mapping[str, Any]) -> str:
    return json.dumps({"currency": args["currency"], "rate": 1.0841, "as_of": "2026-11-20"})


SPECS: Final[dict[str, ToolSpec]] = {
    "get_order": ToolSpec("Read one order", _order, ("order_id",), 0.06),
    "get_shipment": ToolSpec("Where a parcel is", _shipment, ("order_id",), 0.22),
    "get_customer": ToolSpec("Read a customer's record", _customer, ("customer_id",), 0.09),
    "issue_refund": ToolSpec(
        "Send money back. A person must agree", _refund, ("order_id", "amount"), 0.15, confirm=True
    ),
    "run_sql": ToolSpec("Ask the warehouse", _sql, ("query",), 0.18),
    "fetch_rates": ToolSpec("Today's exchange rates", _rates, ("currency",), 0.12),
    "cached_rates": ToolSpec("Exchange rates of last week", _cached_rates, ("currency",), 0.01),
}


class DemoTool(Tool):  # type: ignore[misc, unused-ignore]
    """A :class:`ToolSpec` as agentao wants it."""

    def __init__(self, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._name = name
        self._spec = SPECS[name]

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._spec.description

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": {name: {"type": "string"} for name in self._spec.parameters},
            "required": list(self._spec.parameters),
        }

    @property
    def requires_confirmation(self) -> bool:
        return self._spec.confirm

    @property
    def is_read_only(self) -> bool:
        """Whether agentao may run it beside others, in a thread of its own."""
        return not self._spec.confirm

    def execute(self, **kwargs: Any) -> str:
        time.sleep(self._spec.seconds)
        return self._spec.run(kwargs)
