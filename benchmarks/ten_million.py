"""Search and replay in an archive of ten million events: p50, p95, bytes on disk.

    python benchmarks/ten_million.py [--events 10000000] [--rounds 20] [--json FILE]

Real content of agents (see realistic.py), made various: each recorded session is told again in
20 variants, in which words are replaced by others of a large vocabulary. A tenth is written as the
archive writes it, the server copies it under the names of other sessions. Twenty sessions, and
their copies, have 10,000 events. Then what has happened in a server that is up for a while is done:
parts are merged, which builds the index. Searched and replayed by the code of the commands, by the
clock and, beside it, the CPU that the server and this process took: it says what the time is on a
machine that others leave alone. In a directory of its own, which is removed at the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import orjson
from clickhouse_connect.driver.client import Client
from realistic import Event, recorded

from headrace.cli.archive import Archive
from headrace.cli.replay.read import read_session
from headrace.cli.replay.timeline import build
from headrace.cli.search.find import Scope, search
from headrace.cli.search.words import Asked, parse
from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.clickhouse import INSERT_SETTINGS
from headrace.sinks.connection import connect
from tests.stack.clickhouse import running_clickhouse

LONG_SESSIONS = 20
LONG = 10_000
TENANTS = 20
VARIANTS = 20
COPIES = 10
"""Of what is written as lines, in all: the server copies under other names."""
WORDS = 200_000
REPLACED = 0.3
BATCH = 50_000
START = 1_790_000_000.0
SPAN_S = 6 * 86_400.0
RARE = "zanzibarite"
WORD = re.compile(r"\b[a-z]{5,12}\b")

QUERIES: dict[str, tuple[str, Scope, bool]] = {
    "a rare word": (RARE, Scope(), False),
    "a word that is nowhere": ("nowhereatall", Scope(), False),
    "a common word": ("kettle", Scope(), False),
    "the commonest word": ("the", Scope(), False),
    "two common words": ("order kettle", Scope(), False),
    "a phrase": ("two years of guarantee", Scope(), True),
    "a phrase of common words": ("of the", Scope(), True),
    "a phrase that is nowhere": ("the of kettle the", Scope(), True),
    "an id": ("JJD0003994012", Scope(), False),
    "a common word of one tenant": ("kettle", Scope(tenant="tenant-7"), False),
    "a common word of one user": ("kettle", Scope(user="user-123"), False),
    "a common word in errors": ("gateway", Scope(fields=("errors",)), False),
    "a common word of one session": ("kettle", Scope(session="long-7"), False),
    "a common word of a type of event": ("kettle", Scope(types=("turn_end",)), False),
    "a common word in arguments": ("orders", Scope(fields=("arguments",)), False),
    "three words": ("guarantee two years", Scope(), False),
    "a word and a phrase": ('guarantee "two years"', Scope(), False),
    "a phrase of one tenant": ("two years of guarantee", Scope(tenant="tenant-7"), True),
    "a tool": ("issue_refund", Scope(), False),
    "an amount": ("118.40", Scope(), False),
    "an error's text": ("502 Bad Gateway", Scope(), True),
    "a common word of one day": ("parcel", Scope(since=START, until=START + 86_400), False),
}


class Line(NamedTuple):
    """An event but for its envelope."""

    type: str
    data: bytes


def variants(draw: random.Random) -> list[list[Line]]:
    """Tell each recorded session again in other words."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    vocabulary = ["".join(draw.choices(letters, k=draw.randint(5, 10))) for _ in range(WORDS)]

    def other(match: re.Match[str]) -> str:
        if draw.random() > REPLACED:
            return match[0]
        # Few words are common and most are rare, as in any language.
        return vocabulary[int(WORDS * draw.random() ** 4)]

    def retold(event: Event) -> Line:
        return Line(event.type, orjson.dumps(_retold(event.data, other)))

    return [[retold(event) for event in session] for session in recorded() for _ in range(VARIANTS)]


def _retold(value: Any, other: Callable[[re.Match[str]], str]) -> Any:
    if isinstance(value, str):
        return WORD.sub(other, value)
    if isinstance(value, list):
        return [_retold(inner, other) for inner in value]
    if isinstance(value, dict):
        return {key: _retold(inner, other) for key, inner in value.items()}
    return value


def lines(count: int, draw: random.Random) -> Iterator[bytes]:
    """Yield ``count`` events as the archive takes them, session after session."""
    told = variants(draw)
    written = number = 0
    while written < count:
        number += 1
        long = number <= LONG_SESSIONS
        events: Iterator[Line] = iter(draw.choice(told))
        if long:
            events = itertools.islice(_endless(told, draw), LONG)
        tenant, user = number % TENANTS, draw.randrange(5_000)
        name = f"long-{number}" if long else f"s-{draw.getrandbits(64):016x}"
        ts = START + SPAN_S * written / count
        head = b'{"v":1,"tenant":"tenant-%d","session":"%b","user":"user-%d","epoch":"%016x",' % (
            tenant,
            name.encode(),
            user,
            draw.getrandbits(64),
        )
        turn = 0
        for seq, (kind, data) in enumerate(events, 1):
            turn += kind == "turn_begin"
            yield head + b'"turn":%d,"seq":%d,"ts":%.3f,"type":"%b","data":%b}' % (
                turn,
                seq,
                ts + seq / 20,
                kind.encode(),
                data,
            )
            written += 1


def _endless(told: list[list[Line]], draw: random.Random) -> Iterator[Line]:
    while True:
        yield from draw.choice(told)


# Under other names, in the same order: what one insert brings lies together, as in life.
COPY = """
INSERT INTO headrace.events_raw (tenant, session, epoch, seq, ts, type, data, v, user, turn)
SELECT tenant, concat(session, '-{copy}'), hex(cityHash64(epoch, {copy})), seq, ts + {copy}, type,
    data, v, concat(user, '-{copy}'), turn
FROM headrace.events_raw
WHERE match(session, '^(s-[0-9a-f]+|long-[0-9]+)$') AND position(data, '{rare}') = 0
SETTINGS exclude_materialize_skip_indexes_on_insert = 'by_words'
"""
MERGED = """
SELECT count() AS parts, sum(rows) AS events, sumIf(rows, indexed > 0) / events AS indexed_share,
    sum(bytes_on_disk) / events AS bytes_an_event, sum(indexed) / events AS of_them_index
FROM (SELECT *, secondary_indices_compressed_bytes AS indexed FROM system.parts)
WHERE active AND table = 'events_raw'
"""


def fill(client: Any, count: int) -> float:
    """Write the events. Returns seconds."""
    draw = random.Random(1)
    begin = time.monotonic()
    source = lines(count // COPIES, draw)
    written = 0
    while batch := list(itertools.islice(source, BATCH)):
        if written == 0:
            batch[0] = batch[0].replace(b'"data":{', b'"data":{"note":"%b",' % RARE.encode(), 1)
        draw.shuffle(batch)
        client.raw_insert(
            "headrace.events_raw",
            insert_block=b"\n".join(batch),
            settings=dict(INSERT_SETTINGS),
            fmt="JSONEachRow",
        )
        written += len(batch)
        print(f"\r{written:,} written in {time.monotonic() - begin:.0f} s", end="", flush=True)
    for copy in range(1, COPIES):
        client.command(COPY.format(copy=copy, rare=RARE))
        print(f"\rcopied {copy} of {COPIES - 1} times", end="", flush=True)
    print()
    return time.monotonic() - begin


def merge(client: Any) -> float:
    """Merge all parts, each of which then has the index. Returns seconds."""
    begin = time.monotonic()
    client.command("OPTIMIZE TABLE headrace.events_raw FINAL")
    return time.monotonic() - begin


class Stopwatch:
    """Times calls, and the CPU of the server and of this process. Milliseconds."""

    def __init__(self, server: int) -> None:
        self._stat = Path(f"/proc/{server}/stat")
        self.took: list[float] = []
        self.cpu: list[float] = []

    def time(self, call: Callable[[], int]) -> int:
        before, begin = self._cpu(), time.perf_counter()
        found = call()
        self.took.append((time.perf_counter() - begin) * 1_000)
        self.cpu.append((self._cpu() - before) * 1_000)
        return found

    def result(self, found: int) -> dict[str, float]:
        """The first call (cold), then the others."""
        return {
            "found": found,
            "first": round(self.took[0], 1),
            **_quantiles(self.took[1:]),
            "cpu": round(statistics.mean(self.cpu[1:]), 1),
        }

    def _cpu(self) -> float:
        spent = self._stat.read_text().rpartition(")")[2].split()
        ticks = int(spent[11]) + int(spent[12])
        return ticks / os.sysconf("SC_CLK_TCK") + time.process_time()


def _quantiles(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {
        "p50": round(statistics.median(ordered), 1),
        "p95": round(ordered[int(len(ordered) * 0.95)], 1),
    }


def _count(archive: Archive, asked: Asked, scope: Scope) -> int:
    return len(search(archive, asked, scope, 20).hits)


def searches(archive: Archive, server: int, rounds: int) -> dict[str, Any]:
    """Search for each kind of thing. ``all``: of all kinds' calls but the first of each."""
    results = {}
    every: list[float] = []
    for name, (text, scope, phrase) in QUERIES.items():
        asked = parse(text, phrase=phrase)
        watch = Stopwatch(server)
        for _ in range(rounds + 1):
            found = watch.time(partial(_count, archive, asked, scope))
        results[name] = watch.result(found)
        every += watch.took[1:]
        print(f"{name:40} {results[name]} load {os.getloadavg()[0]:.1f}", flush=True)
    results["all"] = _quantiles(every)
    print(f"{'all':40} {results['all']}", flush=True)
    return results


def _replayed(archive: Archive, number: int) -> int:
    return sum(1 for _ in build(read_session(archive, f"long-{number}", None)))


def replays(archive: Archive, server: int) -> dict[str, Any]:
    """Read and build long sessions, each once."""
    watch = Stopwatch(server)
    for number in range(1, LONG_SESSIONS + 1):
        entries = watch.time(partial(_replayed, archive, number))
    result = watch.result(entries)
    print(f"replay of {LONG:,} events {result}", flush=True)
    return result


def _forgetful(target: ClickHouseSettings) -> Client:
    """Connect so that the server does not remember a search it has just done: people ask once."""
    client = connect(target)
    client.set_client_setting("use_query_condition_cache", 0)
    return client


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        with running_clickhouse(folder) as running:
            target, server = ClickHouseSettings(running.writer_url), running.process.pid
            schema.apply(target)
            client = connect(target, timeout=600)
            archive = Archive(_forgetful(target), "the archive")
            result: dict[str, Any] = {"filled": fill(client, given.events)}
            result["merged"] = merge(client)
            result |= archive.rows(MERGED)[0]
            print(json.dumps(result, indent=1), flush=True)
            result["search"] = searches(archive, server, given.rounds)
            result["replay"] = replays(archive, server)
    print(json.dumps(result, indent=1))
    if given.json:
        given.json.write_text(json.dumps(result))


if __name__ == "__main__":
    main()
