"""What stands in ``agent.events`` of reads and changes of the audit trail."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from headrace.cli.kafka import consumer, partitions_of
from headrace.events import topics
from headrace.events.settings import Settings
from headrace.streams.read_to import read_to


def told(settings: Settings, tenant: str, kind: str) -> list[dict[str, Any]]:
    """Every such event of a tenant, the earliest first."""
    found = [one for one in asyncio.run(_events(settings)) if one["tenant"] == tenant]
    return sorted((one for one in found if one["type"] == kind), key=lambda one: float(one["ts"]))


async def _events(settings: Settings) -> list[dict[str, Any]]:
    async with consumer(settings) as client:
        partitions = await partitions_of(client, settings.topic(topics.EVENTS))
        client.assign(partitions)
        await client.seek_to_beginning(*partitions)
        ends = await client.end_offsets(partitions)
        return [orjson.loads(record.value) async for record in read_to(client, ends)]
