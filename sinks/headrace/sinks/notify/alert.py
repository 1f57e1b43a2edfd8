"""A transition in Alertmanager's terms: labels, annotations, times, fingerprint."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from headrace.sinks.notify.notification import Transition

ZERO_TIME: Final = "0001-01-01T00:00:00Z"
"""How Alertmanager writes a time that is not known yet."""

ID_ANNOTATION: Final = "headrace_id"
"""The annotation that leads to the alert's history: its id in ``agent.alerts.log``."""

_UNFIT: Final = re.compile(r"[^a-zA-Z0-9_]")
_LAST_SECOND: Final = 253_402_300_799.0
_FNV_OFFSET: Final = 14695981039346656037
_FNV_PRIME: Final = 1099511628211
_64_BITS: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert, as both of our formats want it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    resolved: bool
    starts_at: float
    """Unix seconds."""
    ends_at: float | None
    """Unix seconds, never before ``starts_at``; None while it fires."""

    @property
    def status(self) -> str:
        return "resolved" if self.resolved else "firing"


def alert_of(transition: Transition) -> Alert:
    """Return the alert as it is after a transition (``firing`` or ``resolved``)."""
    resolved = transition.get("state") == "resolved"
    own: dict[object, object] = {key: transition.get(key) for key in ("severity", "tenant")}
    labels = _labels({**_table(transition, "group"), **_table(transition, "labels"), **own})
    labels["alertname"] = str(transition.get("rule") or "headrace")
    annotations = _labels(_table(transition, "annotations"))
    annotations[ID_ANNOTATION] = str(transition["id"])
    at = _number(transition.get("at"), 0.0)
    starts_at = _number(transition.get("starts_at"), at)
    ends_at = max(_number(transition.get("ends_at"), at), starts_at) if resolved else None
    return Alert(labels, annotations, resolved, starts_at, ends_at)


def rfc3339(seconds: float) -> str:
    """Return Unix seconds in the format of both APIs, to the millisecond."""
    at = datetime.fromtimestamp(min(max(seconds, 0.0), _LAST_SECOND), timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return what Alertmanager calls an alert with these labels: FNV-1a of them, in hex."""
    total = _FNV_OFFSET
    for name, value in sorted(labels.items()):
        for byte in b"%b\xff%b\xff" % (name.encode(), value.encode()):
            total = ((total ^ byte) * _FNV_PRIME) & _64_BITS
    return f"{total:016x}"


def _labels(table: Mapping[object, object]) -> dict[str, str]:
    """Names that every Alertmanager accepts; without empty values, which mean no label there."""
    found: dict[str, str] = {}
    for key, value in table.items():
        name = _UNFIT.sub("_", str(key))
        if value is not None and str(value):
            found[f"_{name}" if not name or name[0].isdigit() else name] = str(value)
    return found


def _table(transition: Transition, key: str) -> Mapping[object, object]:
    value = transition.get(key)
    return value if isinstance(value, Mapping) else {}


def _number(value: object, default: float) -> float:
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    return default
