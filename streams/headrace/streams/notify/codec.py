"""The values of agent.alerts.log, agent.alerts.deliveries and agent.alerts.silences."""

from __future__ import annotations

from typing import Final, get_args

import orjson

from headrace.events.errors import Poison
from headrace.sinks.notify.delivery_log import DeliveryRecord, Status
from headrace.streams.alerts.silences import Silence
from headrace.streams.alerts.transition import Transition

_STATUSES: Final = frozenset(get_args(Status))
_TIMES: Final = ("starts_at", "ends_at", "updated_at")
_TEXTS: Final = ("id", "created_by", "comment")


def decode_transition(value: bytes, most_bytes: int) -> Transition:
    """Raises :class:`ValueError` for what is no transition, or is too large to be told."""
    if len(value) > most_bytes:
        raise ValueError(f"a transition of {len(value)} bytes")
    return Transition.from_data(orjson.loads(value))


def encode_delivery(record: DeliveryRecord) -> bytes:
    """Give a delivery's record; it holds no secret."""
    return orjson.dumps(record.as_dict())


def decode_delivery(value: bytes) -> DeliveryRecord:
    """Raises :class:`ValueError` for what :func:`encode_delivery` did not write."""
    try:
        record = DeliveryRecord.from_dict(orjson.loads(value))
        if record.status not in _STATUSES:
            raise ValueError(f"no status: {record.status!r}")
        _check(record)
    except (KeyError, TypeError, AttributeError, OverflowError, Poison) as error:
        raise ValueError(f"no delivery: {error!r}") from None
    return record


def _check(record: DeliveryRecord) -> None:
    """Raises :class:`TypeError`, :class:`ValueError` or AttributeError where something is odd."""
    for at in (record.first_at, record.at, record.next_at or 0.0):
        float(at)
    told = record.notification
    for text in (told.receiver, told.group_key, record.reason, *told.group_labels.values()):
        if not isinstance(text, str):
            raise TypeError(f"no text: {text!r}")
    for number in (record.tries, told.number):
        if not isinstance(number, int):
            raise TypeError(f"no number: {number!r}")


def encode_silence(silence: Silence) -> bytes:
    """Give a silence's record."""
    return orjson.dumps(silence.as_data())


def decode_silence(value: bytes) -> Silence:
    """Raises :class:`ValueError` for what :func:`encode_silence` did not write."""
    silence = Silence.from_data(orjson.loads(value))
    for name in _TEXTS:
        if not isinstance(getattr(silence, name), str):
            raise ValueError(f"no silence: {name} is no text")  # noqa: TRY004 - one error for all
    for name in _TIMES:
        if not isinstance(getattr(silence, name), (int, float)):
            raise ValueError(f"no silence: {name} is no number")  # noqa: TRY004 - one error for all
    return silence
