"""Whether a partition is read to its end: Kafka is not asked, it says so with each fetch."""

from __future__ import annotations

from typing import Any

import faust
from faust.types import TP


def is_read_up(app: faust.App, place: TP, offset: int) -> bool | None:
    """Whether the offset is the partition's end. False also before its first fetch.

    None where a rebalance has just taken the partition away.
    """
    consumer: Any = app.consumer
    try:
        end: int | None = consumer.highwater(place)
    except AssertionError:  # aiokafka's, of a partition that is not assigned
        return None
    return end is not None and offset >= end
