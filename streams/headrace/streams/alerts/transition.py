"""A record of agent.alerts and agent.alerts.log: how an alert came from one state to the next."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

State = Literal["inactive", "pending", "firing", "resolved"]

STATES: Final = ("inactive", "pending", "firing", "resolved")
VERSION: Final = 1

_TEXTS: Final = ("id", "rule", "severity", "tenant", "comparison")
_MAPS: Final = ("group", "labels", "annotations")
_NUMBERS: Final = ("samples", "threshold", "pane", "starts_at", "at", "seq")
_PERHAPS: Final = ("value", "ends_at", "quiet_since")


@dataclass(frozen=True, slots=True)
class Transition:
    """One transition. ``(id, seq)`` is its identity, however often it is written."""

    id: str
    rule: str
    state: State
    previous: State
    severity: str
    tenant: str
    group: Mapping[str, str]
    """What the alert is about: the tenant and the labels that its rule groups by."""
    labels: Mapping[str, str]
    """The group under Prometheus' names, ``alertname``, ``severity`` and the rule's own."""
    annotations: Mapping[str, str]
    value: float | None
    """None where there are no data (any more)."""
    samples: float
    threshold: float
    comparison: str
    pane: int
    """Start of the last pane of the window that was judged, seconds since 1970."""
    starts_at: float
    """Pane in which this state's pending or firing began."""
    ends_at: float | None
    at: float
    """When it was judged, in processing time."""
    receivers: tuple[str, ...]
    """Whom to tell; nobody where the pane was older than the rule's ``max_age``."""
    seq: int
    """Counts the transitions of the id, from 1."""
    judged: int
    """The last pane that this is known to hold for: the newest of one (id, seq) has the latest."""
    quiet_since: int | None = None
    """First pane without the condition, while the alert is kept firing."""
    fires: tuple[int, ...] = ()
    """Panes in which the group's alerts fired lately, this one the last: for the flap guard."""

    def as_data(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "v": VERSION,
            **{name: getattr(self, name) for name in self.__slots__},
            "group": dict(self.group),
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "receivers": list(self.receivers),
            "fires": list(self.fires),
        }

    def encode(self) -> bytes:
        """Give the value of its record."""
        return orjson.dumps(self.as_data())

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Transition:
        """Make one of :meth:`as_data`.

        Raises :class:`ValueError` where it is none.
        """
        try:
            if data["state"] not in STATES or data["previous"] not in STATES:
                raise ValueError(f"no state: {data['previous']!r}, {data['state']!r}")
            _check(data)
            fields = {name: data[name] for name in cls.__slots__ if name in data}
            fields["judged"] = data.get("judged", data["pane"])
            fields["receivers"] = tuple(data["receivers"])
            fields["fires"] = tuple(data.get("fires", ()))
            return cls(**fields)
        except (KeyError, TypeError) as error:
            raise ValueError(f"no record of agent.alerts: {error!r}") from None


def _check(data: Mapping[str, Any]) -> None:
    """Raises :class:`TypeError` or :class:`KeyError` for what :meth:`Transition.as_data` is not."""
    texts = [data[name] for name in _TEXTS] + list(data["receivers"])
    for name in _MAPS:
        if not isinstance(data[name], dict):
            raise TypeError(f"{name} is no table")
        texts += [*data[name], *data[name].values()]
    numbers = [data[name] for name in _NUMBERS] + list(data.get("fires", ()))
    numbers += [data[name] for name in _PERHAPS if data.get(name) is not None]
    if not all(isinstance(one, str) for one in texts):
        raise TypeError("a text is something else")
    if not all(isinstance(one, (int, float)) for one in numbers):
        raise TypeError("a number is something else")


def id_of(rule: str, group: Mapping[str, str], pane: int) -> str:
    """Name the alert of a rule and a group that began in a pane: the same wherever it is judged."""
    named = orjson.dumps([rule, group, pane], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(named).digest()[:16].hex()
