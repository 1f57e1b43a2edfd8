"""What becomes of secrets on their way to the archive, whatever the broker."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.events import topics
from headrace.events.settings import ClickHouseSettings
from headrace.streams import dead_letter_box
from headrace.streams.dead_letter_box import Place
from tests.archive.rig import OnARig, Rig
from tests.forget.behaviour import give, order
from tests.scrub.planted import FOUND
from tests.scrub.rig import ScrubRig
from tests.stack.clickhouse import running_clickhouse
from tests.support import wait_until

RULES = """
[[rule]]
detect = ["secrets", "card", "iban", "phone"]
[[rule]]
name = "email"
paths = ["user"]
action = "pseudonym"
[[rule]]
detect = ["email"]
action = "pseudonym"
[[rule]]
name = "named"
paths = ["data.**.password"]
"""
TABLES = ("events_raw", "logs_raw", "epochs_ledger", "dropped_ledger")
MARK = "plant"
"""In every secret of these tests that is found by its place alone."""


@dataclass
class RuledRig(ScrubRig):
    rules: str = RULES


class ScrubBehaviour(OnARig):
    rig_class = RuledRig

    @pytest.fixture
    def clickhouse(self, tmp_path: Path) -> Iterator[ClickHouseSettings]:
        """Nobody else's: its every byte can be searched."""
        with running_clickhouse(tmp_path / "clickhouse") as server:
            yield ClickHouseSettings(server.writer_url)

    async def test_secrets_are_in_no_file_and_the_topic_has_them(self, rig: Rig) -> None:
        wanted = [one for name, some in FOUND.items() if name != "ip" for one in some]
        texts = [one.text for one in wanted]
        clean = rig.line(900, data={"nothing": "to hide"})
        values = [*planted(rig, texts), *dead(rig), clean]
        await rig.produce(values, partition=0)
        logged = [rig.line(n, type="log", data=_said(text)) for n, text in enumerate(texts, 1)]
        await rig.produce([*logged], partition=0, topic=rig.settings.topic(topics.LOGS))
        good = len(values) - len(dead(rig))
        worker = await rig.start("--max-dead-ratio", "1")
        await rig.archived(good)
        letters = await wait_until(lambda: _letters(rig, len(dead(rig))), 30, what="the letters")
        await wait_until(lambda: _has_logs(rig, len(logged)), 30, what="the logs")
        everything = "SELECT groupArray(toString(tuple(*))) FROM {}"
        rows = [await rig.scalar(everything.format(table)) for table in TABLES]
        assert '{"nothing":"to hide"}' in str(rows)
        counted = await worker.metric("headrace_scrubbed_total")
        assert counted > len(texts)
        assert await worker.metric("headrace_scrub_rewritten_total") > len(texts)
        assert await worker.metric("headrace_scrub_withheld_total") == 2
        assert worker.stop() == 0

        places = [*_files(rig.directory), *((one.value or b"") for one in letters)]
        kept = b"".join([*places, *(row.encode() for table in rows for row in table)])
        hidden = {one.secret for one in wanted} | {MARK}
        found = [secret for secret in hidden if any(s in kept for s in _spellings(secret))]
        assert found == []
        # What the archive must not hold, the topic (and so the audit trail) has as it was.
        topic = [record async for record in _records(rig)]
        assert topic == [value for value in values if value is not None]

    async def test_dead_letters_are_scrubbed_or_empty(self, rig: Rig) -> None:
        values = dead(rig)
        await rig.produce(values, partition=1)
        await rig.start()
        letters = await wait_until(lambda: _letters(rig, len(values)), 60, what="the letters")
        by_offset = {letter.place.offset: letter for letter in letters}
        unreadable, refused, plain = (by_offset[n] for n in range(3))
        assert unreadable.value is None or unreadable.value == b""
        assert unreadable.sha256 == hashlib.sha256(values[0] or b"").hexdigest()
        assert unreadable.whole_bytes == len(values[0] or b"")
        assert "withheld by the scrubber" in unreadable.reason
        assert orjson.loads(refused.value or b"")["data"] == {"password": "[redacted:named]"}
        assert refused.sha256 is None
        assert plain.sha256 is not None  # nothing hints at a secret, but who can tell
        assert not plain.value
        with pytest.raises(dead_letter_box.CutLetterError, match="withheld by the scrubber"):
            await dead_letter_box.redrive(rig.settings, [unreadable.place])
        sent = await dead_letter_box.redrive(rig.settings)
        assert [letter.place for letter in sent] == [Place(rig.topic, 1, 1)]

    async def test_who_is_forgotten_is_erased_and_the_others_are_scrubbed(self, rig: Rig) -> None:
        """Orders are matched with what was sent: scrubbed, a name is no longer the person's."""
        ann, bob = "ann@example.org", "bob@example.org"
        await give(rig, order(rig.tenant, user=ann))
        torn = b'{"tenant":"%b","user":"%b","data":{"x' % (rig.tenant.encode(), ann.encode())
        told = {"reason": "spool_full", "first_seq": 5, "last_seq": 5, "count": True}
        values: list[bytes | None] = [
            rig.line(1, user=ann, data={"to": bob}),
            b"no JSON, " + MARK.encode(),
            rig.line(2, user=bob, data={"to": ann}),
            rig.line(3, user=ann, turn=-1),  # ClickHouse would refuse it
            torn,
            rig.line(4, user=ann, type="headrace.dropped", data=told),
            rig.line(6, user=bob, turn=-1, data={"password": MARK}),
            rig.line(7, user=bob, data={"n": 7}),
        ]
        await rig.produce(values, partition=0)
        worker = await rig.start("--max-dead-ratio", "1")
        await rig.archived(2)
        letters = await wait_until(lambda: _letters(rig, 2), 60, what="the letters")
        unreadable, refused = sorted(letters, key=lambda one: one.place.offset)
        assert [unreadable.place.offset, refused.place.offset] == [1, 6]
        assert (unreadable.value or b"", unreadable.sha256) == (
            b"",
            hashlib.sha256(values[1] or b"").hexdigest(),
        )
        kept = orjson.loads(refused.value or b"")
        assert (kept["seq"], kept["data"]) == (6, {"password": "[redacted:named]"})
        assert await worker.metric("headrace_archive_erased_total") == 4
        rows = await rig.scalar(
            "SELECT groupArray((seq, user, data)) FROM (SELECT * FROM events ORDER BY seq)"
            " WHERE tenant = {tenant:String}"
        )
        assert [row[0] for row in rows] == [2, 7]
        assert {row[1] for row in rows} == {kept["user"]}
        assert kept["user"].startswith("email-")
        assert ann not in str(rows)
        erased = await rig.scalar(
            "SELECT arraySort(groupArray((first_seq, last_seq))) FROM erased_ledger FINAL"
            " WHERE tenant = {tenant:String}"
        )
        assert erased == [(1, 1), (3, 4)]
        assert worker.stop() == 0

    async def test_what_is_sent_again_is_the_same_row(self, rig: Rig) -> None:
        values: list[bytes | None] = [
            rig.line(n, user="ann@corp.org", data={"to": "bob@corp.org", "n": n})
            for n in range(1, 301)
        ]
        await rig.produce(values)
        first = await rig.start()
        await rig.archived(300)
        first.kill()
        await rig.produce(values)
        second = await rig.start()
        await rig.produce([rig.line(999)])
        await rig.archived(301)
        assert second.stop() == 0
        users = await rig.scalar(
            "SELECT groupUniqArray(user) FROM events WHERE tenant = {tenant:String} AND user != ''"
        )
        (user,) = users
        assert user.startswith("email-")


def planted(rig: Rig, texts: list[str]) -> list[bytes]:
    """Each text as a value, a key, nested, in ASCII, and in escapes; and places alone."""
    lines = []
    seq = iter(range(1, 10_000))
    for text in texts:
        spelt = "".join(f"\\u{ord(letter):04x}" for letter in text).encode()
        lines += [
            rig.line(next(seq), data={"text": text}),
            rig.line(next(seq), data={text: 1}),
            rig.line(next(seq), data={"a": [{"b": [text]}]}),
            _ascii(rig.line(next(seq), data={"text": text})),
            rig.line(next(seq), data={"text": "HERE"}).replace(b"HERE", spelt),
        ]
    lines += [
        rig.line(next(seq), user=f"{MARK}@corp.org"),
        rig.line(next(seq), data={"args": {"Password": MARK}}),
        rig.line(next(seq), data={"args": [{"password": {"deep": [MARK]}}]}),
        rig.line(next(seq), data={"x": MARK}).replace(b'"x"', b'"p\\u0061ssword"'),
    ]
    return lines


def _said(text: str) -> dict[str, Any]:
    """A log record with a text in all its places."""
    return {
        "message": f"says {text}",
        "exception": f"ValueError: {text}",
        "extra": {"it": text, "password": MARK},
    }


async def _has_logs(rig: Rig, count: int) -> bool:
    return bool(await rig.scalar("SELECT count() FROM logs") == count)


def dead(rig: Rig) -> list[bytes | None]:
    """What no archive takes: unreadable, refused by ClickHouse, and unreadable without a hint."""
    return [
        b'{"password":"' + MARK.encode(),
        rig.line(1, session="dead", turn=-1, data={"password": MARK}),
        b"no JSON, " + MARK.encode(),
    ]


def _ascii(line: bytes) -> bytes:
    return json.dumps(orjson.loads(line)).replace("/", "\\/").encode()


def _spellings(secret: str) -> set[bytes]:
    """A secret as a text has it, and as JSON does."""
    return {
        secret.encode(),
        json.dumps(secret)[1:-1].encode(),
        json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
    }


def _files(directory: Path) -> list[bytes]:
    return [path.read_bytes() for path in directory.rglob("*") if path.is_file()]


async def _letters(rig: Rig, count: int) -> list[Any]:
    listed = await dead_letter_box.list_letters(rig.settings)
    if len(listed) != count:
        return []
    return [letter async for letter in dead_letter_box.with_values(rig.settings, listed)]


async def _records(rig: Rig) -> AsyncIterator[bytes]:
    from aiokafka import AIOKafkaConsumer, TopicPartition  # noqa: PLC0415

    from headrace.streams.read_to import read_to  # noqa: PLC0415

    consumer = AIOKafkaConsumer(bootstrap_servers=rig.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partition = TopicPartition(rig.topic, 0)
        consumer.assign([partition])
        async for record in read_to(consumer, await consumer.end_offsets([partition])):
            yield record.value
    finally:
        await consumer.stop()
