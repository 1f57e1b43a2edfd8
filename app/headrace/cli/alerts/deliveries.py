"""What was told to receivers, and asking for it again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from headrace.cli.alerts.ids import pick
from headrace.cli.alerts.words import group_text, iso, when
from headrace.cli.output import print_json, print_table, say
from headrace.events.settings import Settings
from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.streams.notify import desk


def read(settings: Settings) -> list[DeliveryRecord]:
    """Return what each delivery is now, the oldest first. Raises Retryable where Kafka is away."""
    return asyncio.run(desk.list_deliveries(settings))


def ask_again(settings: Settings, beginnings: Sequence[str] | None) -> list[str]:
    """Ask for parked deliveries again, for all where none are named; return their ids.

    Raises :class:`~headrace.cli.faults.CommandError` before anything is asked for where one of them
    is not parked.
    """
    return asyncio.run(_ask_again(settings, beginnings))


async def _ask_again(settings: Settings, beginnings: Sequence[str] | None) -> list[str]:
    if beginnings is None:
        return [one.id for one in await desk.ask_all_again(settings)]
    parked = [one.id for one in await desk.list_deliveries(settings) if one.status == "parked"]
    where = "headrace alerts deliveries --status parked"
    chosen = pick(beginnings, parked, "parked delivery", where)
    for delivery_id in chosen:
        await desk.ask_again(settings, delivery_id)
    return chosen


def show(found: Sequence[DeliveryRecord], *, as_json: bool) -> None:
    """Print deliveries: a table and how many there are of each status, or JSON lines."""
    if as_json:
        for one in found:
            print_json(_json(one))
        return
    print_table(
        (
            *("id", "receiver", "group", "status", "tries", "queued", "since", "next try"),
            "reason",
        ),
        [_row(one) for one in found],
        right=("tries",),
    )
    counts = Counter(one.status for one in found)
    said = ", ".join(f"{count:,} {status}" for status, count in counts.most_common())
    say(said or "no deliveries")


def _row(one: DeliveryRecord) -> tuple[object, ...]:
    labels = one.notification.group_labels
    tenant = {"tenant": labels["tenant"]} if "tenant" in labels else {}
    return (
        one.id,
        one.notification.receiver,
        ", ".join(filter(None, (*tenant.values(), group_text(labels)))),
        one.status,
        one.tries,
        when(one.first_at),
        when(one.at),
        when(one.next_at),
        one.reason,
    )


def _json(one: DeliveryRecord) -> dict[str, Any]:
    times = {"first_at": iso(one.first_at), "at": iso(one.at), "next_at": iso(one.next_at)}
    return one.as_dict() | times
