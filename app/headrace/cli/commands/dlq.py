"""``headrace dlq``: dead letters."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headrace.cli import options
from headrace.cli.output import print_json, print_table, say
from headrace.cli.text import safe_text

if TYPE_CHECKING:
    from headrace.events.settings import Settings
    from headrace.streams.dead_letter_box import Letter, Place


class PlaceType(click.ParamType):
    """Where a letter came from: ``topic/partition/offset``, as ``dlq list`` shows it."""

    name = "place"

    def convert(self, value: Any, param: Any, ctx: Any) -> Place:
        from headrace.streams.dead_letter_box import Place  # noqa: PLC0415 - aiokafka is slow

        topic, _, rest = str(value).partition("/")
        partition, _, offset = rest.partition("/")
        if not topic or not partition.isdecimal() or not offset.isdecimal():
            self.fail(f"{value!r} is not TOPIC/PARTITION/OFFSET: see `headrace dlq list`")
        return Place(topic, int(partition), int(offset))


@click.group()
def dlq() -> None:
    """Look at dead letters, and send them again."""


@dlq.command("list", cls=options.Command, examples=("headrace dlq list", "headrace dlq list --all"))
@click.option("--all", "everything", is_flag=True, help="Those sent again, too.")
@options.as_json
@options.state_dir
def list_command(everything: bool, as_json: bool, state_dir: Path | None) -> None:
    """List the records that the archive refused, oldest first. --json prints one a line."""
    from headrace.streams.dead_letter_box import list_letters  # noqa: PLC0415 - aiokafka is slow

    settings = options.load(state_dir)
    letters = asyncio.run(list_letters(settings, redriven=everything))
    if as_json:
        asyncio.run(_print_whole(settings, letters))
        return
    print_table(
        ("place", "failed", "reason", "code", "bytes", "session", "sent again"),
        [_row(letter) for letter in letters],
        right=("code", "bytes"),
    )
    for reason, count in Counter(letter.reason for letter in letters).most_common(10):
        say(f"{count:,}: {reason}")
    if not letters:
        say("no dead letters")


@dlq.command(cls=options.Command, examples=("headrace dlq show agent.events/0/1234",))
@click.argument("place", type=PlaceType())
@options.as_json
@options.state_dir
def show(place: Place, as_json: bool, state_dir: Path | None) -> None:
    """Show one dead letter whole. PLACE is as `headrace dlq list` shows it.

    Of what the scrubber withheld there is its length and its SHA-256.
    """
    from headrace.streams import dead_letter_box  # noqa: PLC0415 - aiokafka is slow to import

    letter = asyncio.run(dead_letter_box.show(options.load(state_dir), place))
    if as_json:
        print_json(_json(letter))
        return
    for name, value in _json(letter).items():
        say(f"{name}: {value}")


@dlq.command(
    cls=options.Command,
    examples=("headrace dlq redrive agent.events/0/1234", "headrace dlq redrive --all"),
)
@click.argument("places", nargs=-1, type=PlaceType(), metavar="[PLACE]...")
@click.option("--all", "everything", is_flag=True, help="Every letter that is dead, and whole.")
@options.as_json
@options.state_dir
def redrive(
    places: tuple[Place, ...], everything: bool, as_json: bool, state_dir: Path | None
) -> None:
    """Send dead letters back to the topic that they came from.

    Mend first what made the archive refuse them: what is refused again is a new dead letter.
    Sending twice does no harm: identity removes duplicates. What was cut or withheld is not sent.
    """
    from headrace.streams import dead_letter_box  # noqa: PLC0415 - aiokafka is slow to import

    if bool(places) == everything:
        raise click.UsageError("name the letters, or say --all")
    chosen = None if everything else places
    sent = asyncio.run(dead_letter_box.redrive(options.load(state_dir), chosen))
    if as_json:
        print_json({"sent": [str(letter.place) for letter in sent]})
    else:
        say(f"sent {len(sent):,} letters again")


async def _print_whole(settings: Settings, letters: list[Letter]) -> None:
    from headrace.streams.dead_letter_box import with_values  # noqa: PLC0415 - aiokafka is slow

    async for letter in with_values(settings, letters):
        print_json(_json(letter))


def _row(letter: Letter) -> tuple[object, ...]:
    return (
        str(letter.place),
        time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(letter.failed_at)),
        letter.reason,
        letter.code,
        letter.whole_bytes or letter.size,
        safe_text((letter.key or b"").decode(errors="backslashreplace"), limit=40),
        letter.redriven,
    )


def _json(letter: Letter) -> dict[str, Any]:
    return {
        "place": str(letter.place),
        "failed_at": letter.failed_at,
        "reason": letter.reason,
        "code": letter.code,
        "sent_again": letter.redriven,
        "cut_from_bytes": letter.whole_bytes,
        "withheld_sha256": letter.sha256,
        "key": (letter.key or b"").decode(errors="backslashreplace"),
        "value": (letter.value or b"").decode(errors="backslashreplace"),
    }
