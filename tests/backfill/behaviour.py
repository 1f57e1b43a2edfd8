"""What backfill does, whatever the broker: inherited for the embedded and for a real Kafka."""

from __future__ import annotations

import array
import asyncio
import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import termios
from typing import IO, Any

import orjson

from headrace.cli.backfill.letters import BEYOND
from headrace.cli.verify.accounting import State
from headrace.cli.verify.queries import Scope
from headrace.cli.verify.run import verify
from headrace.events import topics
from headrace.streams import dead_letter_box
from tests.archive.rig import OnARig, Rig
from tests.support import wait_until


class Run:
    """A backfill as a process of its own."""

    def __init__(self, rig: Rig, *words: object) -> None:
        self._log = rig.directory / "backfill.log"
        command = [sys.executable, "-m", "headrace.cli.main", "backfill", *map(str, words)]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--json"], env=rig.environ, stdout=subprocess.PIPE, stderr=log
            )

    async def ended(self, code: int = 0) -> dict[str, Any]:
        out, _ = await asyncio.to_thread(self.process.communicate, timeout=90)
        assert self.process.returncode == code, self._log.read_text()
        return orjson.loads(out) if out else {}


def seed_line(tenant: str, session: str, number: int, **more: Any) -> bytes:
    """A line as the seed's EventArchiver writes it: json.dumps with its blanks."""
    data = {"tool": "get_customer_orders", "number": number, "note": "grüße ✓"}
    event = {"ts": 1_764_000_000 + number / 10, "session": session, "tenant": tenant}
    return json.dumps(event | {"type": "tool_start", "data": data} | more).encode() + b"\n"


class BackfillBehaviour(OnARig):
    async def test_run_twice_packed_renamed_and_grown_adds_nothing(self, rig: Rig) -> None:
        lines = [seed_line(rig.tenant, f"s-{n % 7}", n) for n in range(2000)]
        bad = [b"oops\n", b'{"ts":1,"session":"s-1","type":"x","data":[]}\n']
        file = rig.directory / "events.jsonl"
        file.write_bytes(b"".join([*lines[:900], *bad, *lines[900:1500]]))
        first = await Run(rig, file, "--tenant", rig.tenant).ended(1)
        assert (first["sent"], first["bad"]) == (1500, 2)

        again = await Run(rig, file, "--tenant", rig.tenant).ended(1)
        assert (again["sent"], again["before"], again["bad"]) == (0, 1500, 2)

        packed = rig.directory / "other.jsonl.gz"
        packed.write_bytes(gzip.compress(file.read_bytes()))
        await Run(rig, packed, "--tenant", rig.tenant).ended(1)

        with file.open("ab") as grown:
            grown.writelines(lines[1500:])
        more = await Run(rig, file, "--tenant", rig.tenant).ended(1)
        assert (more["sent"], more["before"]) == (500, 1500)

        await rig.start()
        await rig.archived(2000)
        await wait_until(lambda: _committed(rig, 4000 - 500), 60, what="all of it")
        await rig.archived(2000)
        letters = await dead_letter_box.list_letters(rig.settings)
        reasons = [one.reason.replace(f"{file}", "FILE").partition(": ") for one in letters]
        assert [(where, why[:8]) for where, _, why in reasons] == [
            ("line 901 of FILE", "not JSON"),
            ("line 902 of FILE", "data is "),
        ]
        shown = await dead_letter_box.show(rig.settings, letters[0].place)
        assert shown.value == b"oops"
        verdict = await asyncio.to_thread(verify, rig.settings, Scope(rig.tenant))
        assert (verdict.totals.accepted, verdict.totals.archived) == (2000, 2000)
        assert verdict.adds_up
        # Sent as it stands, it is the archive's to refuse.
        sent = await dead_letter_box.redrive(rig.settings, [letters[0].place])
        assert [one.place for one in sent] == [letters[0].place]
        await wait_until(lambda: _refused(rig, b"oops"), 60, what="refused by the archive")

    async def test_killed_in_the_middle_nothing_is_missing_or_twice(self, rig: Rig) -> None:
        count = 60_000
        file = rig.directory / "events.jsonl"
        file.write_bytes(b"".join(seed_line(rig.tenant, f"s-{n % 50}", n) for n in range(count)))
        for number, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
            before = _acknowledged(rig)
            run = Run(rig, file)
            await wait_until(
                lambda b=before: _acknowledged(rig) > b,  # type: ignore[misc]
                60,
                interval=0.005,
                what="something more is acknowledged",
            )
            run.process.send_signal(number)
            await run.ended(code)
        last = await Run(rig, file).ended()
        assert last["sent"] + last["before"] == count
        await rig.start()
        await rig.archived(count, 90)

    async def test_ctrl_c_ends_it_while_it_waits_for_a_pipe(self, rig: Rig) -> None:
        pipe = rig.directory / "pipe.jsonl"
        os.mkfifo(pipe)
        run = Run(rig, pipe)
        with pipe.open("r+b", buffering=0) as idle:
            lines = [seed_line(rig.tenant, "s-1", n) for n in range(20_000)]
            await asyncio.to_thread(idle.write, b"".join(lines))
            await wait_until(lambda: not _unread(idle), 60, what="it has read what came")
            run.process.send_signal(signal.SIGINT)
            await run.ended(130)

    async def test_a_name_that_is_not_utf_8(self, rig: Rig) -> None:
        file = rig.directory / os.fsdecode(b"\xff.jsonl")
        file.write_bytes(seed_line(rig.tenant, "s-1", 1) + b"oops\n")
        ran = await Run(rig, file).ended(1)
        assert (ran["sent"], ran["bad"]) == (1, 1)
        (letter,) = await dead_letter_box.list_letters(rig.settings)
        assert "\\xff.jsonl: not JSON" in letter.reason
        assert (await Run(rig, file).ended(1))["before"] == 1

    async def test_files_that_will_not_grow_end_their_epochs(self, rig: Rig) -> None:
        file = rig.directory / "events.jsonl"
        file.write_bytes(b"".join(seed_line(rig.tenant, f"s-{n % 3}", n) for n in range(30)))
        assert (await Run(rig, file, "--end").ended())["sent"] == 33
        assert (await Run(rig, file, "--end").ended())["sent"] == 0
        await rig.start()
        await rig.archived(33)
        verdict = await asyncio.to_thread(verify, rig.settings, Scope(rig.tenant))
        assert (verdict.totals.accepted, verdict.totals.epochs) == (33, {State.CLOSED: 3})
        assert verdict.adds_up
        with file.open("ab") as grown:
            grown.write(seed_line(rig.tenant, "s-1", 30))
        await Run(rig, file).ended(2)

    async def test_our_own_events_stay_as_they_are(self, rig: Rig) -> None:
        ours = [rig.line(seq, user="u-1", trace="00-1-2-01", turn=3) for seq in (1, 2, 5)]
        file = rig.directory / "export.jsonl"
        spaced = json.dumps(json.loads(ours[2]) | {"further": [1]}).encode()
        file.write_bytes(b"\n".join([*ours[:2], spaced]))
        await Run(rig, file).ended()
        sent = [one.value for records in await rig.read(topics.EVENTS) for one in records]
        assert sent[:2] == ours[:2]
        assert len(sent) == 3
        assert orjson.loads(sent[2]) == orjson.loads(spaced)


def _acknowledged(rig: Rig) -> int:
    """How far the file's mark says that it was sent."""
    marks = (rig.directory / "backfill").glob("*.json")
    return max((orjson.loads(mark.read_bytes())["end"] for mark in marks), default=0)


def _unread(pipe: IO[bytes]) -> int:
    """How many bytes nobody has read yet."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


async def _refused(rig: Rig, value: bytes) -> bool:
    there = await dead_letter_box.list_letters(rig.settings)
    return [one.size for one in there if one.place.offset < BEYOND] == [len(value)]


async def _committed(rig: Rig, count: int) -> bool:
    return sum((await rig.committed()).values()) >= count
