"""``headrace topics``: the Kafka topics as they should be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from headrace.cli import options
from headrace.cli.output import print_json, say


@click.group()
def topics() -> None:
    """Create the Kafka topics, or compare them with what they should be."""


@topics.command(cls=options.Command, examples=("headrace topics apply",))
@options.as_json
@options.state_dir
def apply(as_json: bool, state_dir: Path | None) -> None:
    """Create what is missing and set what differs. Partitions are fixed for a topic's life."""
    from headrace.streams.topic_admin import apply as apply_topics  # noqa: PLC0415 - aiokafka is slow

    changes = [str(change) for change in asyncio.run(apply_topics(options.load(state_dir)))]
    _print(changes, as_json, done=True)


@topics.command(cls=options.Command, examples=("headrace topics diff",))
@options.as_json
@options.state_dir
def diff(as_json: bool, state_dir: Path | None) -> int:
    """Show what differs from the settings. Exit code 1 when something does."""
    from headrace.streams.topic_admin import diff as diff_topics  # noqa: PLC0415 - aiokafka is slow

    changes = [str(change) for change in asyncio.run(diff_topics(options.load(state_dir)))]
    _print(changes, as_json, done=False)
    return 1 if changes else 0


def _print(changes: list[str], as_json: bool, *, done: bool) -> None:
    if as_json:
        print_json({"applied" if done else "differences": changes})
        return
    for change in changes:
        say(change)
    if not changes:
        say("every topic is as it should be")
