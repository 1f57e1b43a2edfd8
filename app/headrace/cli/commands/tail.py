"""``headrace tail``: events as they come."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import click
import orjson
from rich.text import Text

from headrace.cli import options
from headrace.cli.output import console
from headrace.cli.replay.entries import Event, text
from headrace.cli.replay.tellers import TELLERS, UnderWay, other
from headrace.cli.text import safe_json, safe_text
from headrace.events import topics, types
from headrace.events.envelope import Envelope, decode
from headrace.events.errors import EnvelopeError
from headrace.events.settings import Settings

POLL_MS: Final = 1_000
WIDTH: Final = 160


@options.command(
    "headrace tail --tenant acme",
    "headrace tail --type tool_complete --json | jq .data",
)
@options.tenant
@click.option("--session", help="Only this session.")
@click.option("--type", "types_", multiple=True, help="Only this type of event. Repeatable.")
@options.as_json
@options.state_dir
def tail(
    tenant: str | None,
    session: str | None,
    types_: tuple[str, ...],
    as_json: bool,
    state_dir: Path | None,
) -> None:
    """Follow events live from Kafka, from now on, until Ctrl-C.

    Takes part in no consumer group. --json prints each event's envelope on a line.
    """
    settings = options.load(state_dir)

    def wanted(event: Envelope) -> bool:
        return (
            tenant in {None, event.tenant}
            and session in {None, event.session}
            and (not types_ or event.type in types_)
        )

    asyncio.run(_follow(settings, wanted=wanted, as_json=as_json))


async def _follow(settings: Settings, *, wanted: Callable[[Envelope], bool], as_json: bool) -> None:
    out = console()
    async for values in _batches(settings):
        for value in values:
            try:
                event = decode(value)
            except EnvelopeError as error:
                print(f"headrace tail: a record that is no event: {error}", file=sys.stderr)
                continue
            if wanted(event):
                if as_json:
                    print(safe_json(orjson.loads(value)))
                else:
                    out.print(line(event), soft_wrap=True)
        sys.stdout.flush()


async def _batches(settings: Settings) -> AsyncIterator[list[bytes]]:
    """Yield the values of each fetch."""
    from headrace.cli import kafka  # noqa: PLC0415 - aiokafka is slow to import

    async with kafka.consumer(settings) as client:
        partitions = await kafka.partitions_of(client, settings.topic(topics.EVENTS))
        client.assign(partitions)
        for partition, end in (await kafka.true_ends(client, partitions)).items():
            client.seek(partition, end)
        if sys.stderr.isatty():  # nothing may come for long, which must not look like a fault
            print("headrace tail: events appear as they come, Ctrl-C ends it", file=sys.stderr)
        while True:
            fetched = await client.getmany(timeout_ms=POLL_MS)
            yield [record.value or b"" for batch in fetched.values() for record in batch]


def line(event: Envelope) -> Text:
    """Return an event on one line, its time in UTC, cut to a readable width."""
    at = time.strftime("%H:%M:%S", time.gmtime(event.ts)) + f"{event.ts % 1:.3f}"[1:]
    where = f"{safe_text(event.tenant)} {safe_text(event.session)}"
    return Text.assemble(
        (at, "dim"), " ", (where, "cyan"), " ", safe_text(_said(event), limit=WIDTH)
    )


def _said(event: Envelope) -> str:
    if event.type in types.CHUNKS:
        chunk = text(event.data.get("chunk")) or text(event.data.get("text"))
        return f"{event.type}: {chunk}"
    seen = Event(
        epoch=event.epoch,
        seq=event.seq,
        ts=event.ts,
        type=event.type,
        data=event.data,
        turn=event.turn,
        duration_ms=event.duration_ms,
    )
    told = next(TELLERS.get(event.type, other)(seen, UnderWay()), None)
    if told is None:
        return event.type
    return told.headline if not told.body else f"{told.headline}: {told.body}"
