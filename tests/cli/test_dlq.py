"""Dead letters: listed, shown, sent again, and where they stand in the accounting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiokafka
import orjson
import pytest

from headrace.events import topics
from headrace.producers.lane import Destination, Lane
from tests.cli.conftest import EPOCH, START, Cli, Stack
from tests.support import unique, wait_until_sync


async def send(stack: Stack, session: str, *values: bytes, topic: str = topics.EVENTS) -> None:
    producer = aiokafka.AIOKafkaProducer(**stack.settings.need_kafka().client_kwargs())
    await producer.start()
    for value in values:
        await producer.send_and_wait(topic, value, session.encode())
    await producer.stop()


def refused(tenant: str, seq: int) -> bytes:
    """A good event to us, with a turn that the archive's column cannot take."""
    event = {"v": 1, "tenant": tenant, "session": "s\x1b[2J", "epoch": EPOCH, "seq": seq}
    return orjson.dumps({**event, "ts": START, "type": "x", "data": {}, "turn": -1})


@pytest.fixture
def dead(on_stack: Cli, stack: Stack) -> tuple[str, str]:
    """A tenant with one dead letter, and its place."""
    tenant = unique()
    asyncio.run(send(stack, "s", refused(tenant, 1)))

    def place() -> str | None:
        letters = on_stack("dlq", "list", "--json").objects
        return next((one["place"] for one in letters if tenant in one["value"]), None)

    found = wait_until_sync(place, timeout=60, interval=0.2)
    assert found is not None
    return tenant, found


def test_a_letter_is_listed_and_shown_harmless(dead: tuple[str, str], on_stack: Cli) -> None:
    tenant, place = dead
    listed = on_stack("dlq", "list")
    assert place in listed.out
    shown = on_stack("dlq", "show", place)
    assert shown.code == 0
    assert tenant in shown.out
    assert "\x1b" not in shown.out + listed.out
    (one,) = on_stack("dlq", "show", place, "--json").objects
    assert orjson.loads(one["value"])["tenant"] == tenant
    assert one["reason"]
    assert not one["sent_again"]


def test_a_letter_counts_as_dead_lettered(dead: tuple[str, str], on_stack: Cli) -> None:
    tenant, _ = dead
    (one,) = on_stack("verify", "--tenant", tenant, "--json").objects
    assert (one["accepted"], one["dead_lettered"], one["missing"]) == (1, 1, 0)
    assert one["adds_up"]


def test_letters_of_other_topics_are_no_events(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    ran = on_stack("verify", "--json")
    assert not ran.err
    (before,) = ran.objects
    values = refused(tenant, 1), tenant.encode()
    asyncio.run(send(stack, "s", *values, topic=topics.METRICS))

    def both() -> bool:
        letters = on_stack("dlq", "list", "--json").objects
        places = [one["place"] for one in letters if tenant in one["value"]]
        return len(places) == 2 and all(place.startswith(topics.METRICS) for place in places)

    assert wait_until_sync(both, timeout=60, interval=0.2)
    (after,) = on_stack("verify", "--json").objects
    assert after["nameless_dead_letters"] == before["nameless_dead_letters"]
    (one,) = on_stack("verify", "--tenant", tenant, "--json").objects
    assert (one["accepted"], one["dead_lettered"]) == (0, 0)


def test_what_is_sent_again_and_refused_again_is_one_letter(
    dead: tuple[str, str], on_stack: Cli
) -> None:
    tenant, place = dead
    (sent,) = on_stack("dlq", "redrive", place, "--json").objects
    assert sent["sent"] == [place]

    def again() -> bool:
        letters = on_stack("dlq", "list", "--json").objects
        return any(tenant in one["value"] and one["place"] != place for one in letters)

    assert wait_until_sync(again, timeout=60, interval=0.2)
    (one,) = on_stack("verify", "--tenant", tenant, "--json").objects
    assert (one["accepted"], one["dead_lettered"], one["missing"]) == (1, 1, 0)
    everything = on_stack("dlq", "list", "--all", "--json").objects
    assert len([one for one in everything if tenant in one["value"]]) == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("dlq", "redrive"), "name the letters, or say --all"),
        (("dlq", "redrive", "--all", "t/0/1"), "name the letters, or say --all"),
        (("dlq", "show", "nonsense"), "is not TOPIC/PARTITION/OFFSET"),
        (("dlq", "show", "agent.events/0/999999999"), "headrace dlq list"),
    ],
)
def test_wrong_places_are_one_line(args: tuple[str, ...], said: str, on_stack: Cli) -> None:
    ran = on_stack(*args)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert said in ran.err


def test_what_is_on_its_way_is_in_flight(
    on_stack: Cli, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spool that nobody ships: its events are accounted for all the same."""
    tenant, spool = unique(), tmp_path / "spool"
    lane, _ = Lane.create(spool, Destination(topics.EVENTS, "elsewhere:1"), "nobody")
    lines = [refused(tenant, seq) + b"\n" for seq in (1, 2, 3)]
    lane.segment_path(1).write_bytes(b"".join(lines) + b'{"torn')
    monkeypatch.setenv("HEADRACE_SPOOL_DIR", str(spool))
    (one,) = on_stack("verify", "--tenant", tenant, "--json").objects
    assert (one["accepted"], one["in_flight"], one["missing"]) == (3, 3, 0)
    status = on_stack("status", "--json").objects[0]
    assert status["spool_bytes"] == sum(map(len, lines)) + len(b'{"torn')
