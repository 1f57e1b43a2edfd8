"""What stands in the table of the workers' metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MetricDef:
    """One metric. The documentation's table is generated from all of them."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    action: str
    """What an operator does when it looks wrong."""
    buckets: tuple[float, ...] = ()
