"""``headrace logs``: what it chooses, how it prints, and how it goes on."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.archive import connect
from headrace.cli.commands.tail import line as tail_line
from headrace.cli.logs.choice import Choice
from headrace.cli.logs.read import read
from headrace.cli.logs.record import Record, of_event
from headrace.cli.logs.show import text_of
from headrace.events import topics
from headrace.events.envelope import Envelope, decode
from headrace.events.settings import Settings
from headrace.streams import topic_admin
from headrace.streams.producer import start_producer
from tests.cli.conftest import START, Cli, Stack, command_line, insert, line
from tests.support import unique, wait_until_sync

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LEVELS = {"DEBUG": 10, "INFO": 20, "NOTICE": 25, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


def said(
    message: str, level: str = "INFO", logger: str = "agentao.tools", **more: Any
) -> dict[str, Any]:
    return {"level": level, "level_no": LEVELS[level], "logger": logger, "message": message, **more}


def test_no_record_says_of_itself_whose_it_is() -> None:
    data = {"message": "m", "tenant": "globex", "session": "theirs", "trace_id": "x", "ts": 0}
    told = Record("acme", "s-1", "u", "a", "e", 1, 2.5, TRACE, data).as_json()
    assert list(told)[:4] == ["tenant", "session", "user", "agent"]
    assert (told["tenant"], told["session"], told["ts"]) == ("acme", "s-1", 2.5)
    assert (told["trace_id"], told["message"]) == ("0af7651916cd43dd8448eb211c80319c", "m")


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> str:
    """A tenant who logged a few things, all twice."""
    tenant = unique()
    told = [
        ("s-1", said("plain talk"), {"user": "ann"}),
        ("s-1", said("100% of under_score", "WARNING", "agentao.llm"), {"user": "ann"}),
        ("s-2", said("it broke", "ERROR", exception="Traceback:\n  ValueError: Straße 7"), {}),
        ("s-2", said("a notice", "NOTICE", "agentaox"), {"trace": TRACE}),
        ("unbound", said("\x1b[31mred\nsecond line", "CRITICAL", "app"), {}),
    ]
    lines = [
        line(tenant, session, seq, "log", data, **more)
        for seq, (session, data, more) in enumerate(told, 1)
    ]
    end = line(tenant, "s-1", 6, "headrace.epoch_end", {"reason": "closed", "dropped": {}})
    insert(stack, [*lines, *lines, end], "logs_raw")
    return tenant


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ((), [1, 2, 3, 4, 5]),
        (("--session", "s-2"), [3, 4]),
        (("--user", "ann"), [1, 2]),
        (("--level", "warning"), [2, 3, 5]),
        (("--level", "40"), [3, 5]),
        (("--level", "NOTICE"), [4]),
        (("--logger", "agentao"), [1, 2, 3]),
        (("--grep", "PLAIN"), [1]),
        (("--grep", "0% of under_"), [2]),
        (("--grep", "0%_of"), []),
        (("--grep", "straße"), [3]),
        (("--grep", r"it b.*ke\b", "--regex"), [3]),
        (("--trace", TRACE), [4]),
        (("--trace", TRACE[3:35]), [4]),
        (("--since", "2023-11-14T22:13:20.250"), [3, 4, 5]),
        (("--until", "2023-11-14T22:13:20.250"), [1, 2]),
        (("--limit", "2"), [4, 5]),
    ],
)
def test_what_is_asked_for(
    on_stack: Cli, tenant: str, options: tuple[str, ...], numbers: list[int]
) -> None:
    ran = on_stack("logs", "--tenant", tenant, "--json", *options)
    assert [one["seq"] for one in ran.objects] == numbers, ran.err


def test_people_see_one_line_and_what_belongs_under_it(on_stack: Cli, tenant: str) -> None:
    out = on_stack("logs", "--tenant", tenant).out.splitlines()
    assert out[0].endswith(f"INFO     {tenant} s-1 agentao.tools: plain talk")
    broke = next(n for n, text in enumerate(out) if text.endswith("it broke"))
    assert out[broke + 1 : broke + 3] == ["    Traceback:", "      ValueError: Straße 7"]
    assert out[-2].endswith("app: \\x1b[31mred")
    assert out[-1] == "    second line"


def test_times_are_in_utc_wherever_the_reader_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        record = Record("t", "s", "", "", "e", 1, 1704067200.5, "", said("x"))
        assert text_of(record).plain.startswith("2024-01-01 00:00:00.500 ")
        event = Envelope("t", "s", "e", 1, 1704067200.5, "turn_start", {})
        assert tail_line(event).plain.startswith("00:00:00.500 ")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_levels_have_colours() -> None:
    record = Record("t", "s", "", "", "e", 1, START, "", said("x", "ERROR"))
    assert "red" in {str(span.style) for span in text_of(record).spans}


def test_nothing_found_is_said(on_stack: Cli) -> None:
    ran = on_stack("logs", "--tenant", unique())
    assert (ran.code, ran.out.startswith("no log records")) == (0, True)
    assert on_stack("logs", "--grep", "(", "--regex").code == 2


def test_words_are_found_by_the_index(stack: Stack, tenant: str) -> None:
    for condition in ("hasToken(text, 'plain')", "text LIKE '%plain%'"):
        with connect(stack.settings) as archive:
            plan = archive.rows(f"EXPLAIN indexes = 1 SELECT seq FROM logs WHERE {condition}")
            assert any("words" in str(row) for row in plan)
            found = archive.rows(
                f"SELECT seq FROM logs WHERE tenant = {{tenant:String}} AND {condition}",
                {"tenant": tenant},
            )
        assert [row["seq"] for row in found] == [1]


TEXTS = st.text(alphabet="aAbB %_\\.'\n", max_size=6)
CHOICES = st.builds(
    Choice,
    session=st.sampled_from([None, "s-1", "s-2"]),
    user=st.sampled_from([None, "ann"]),
    level=st.sampled_from([None, "INFO", "NOTICE", "31", "debug"]),
    logger=st.sampled_from([None, "a", "a.b"]),
    grep=st.none() | TEXTS,
    trace=st.sampled_from([None, TRACE]),
    since=st.sampled_from([None, START + 1.5]),
    until=st.sampled_from([None, START + 3]),
)


@pytest.fixture(scope="module")
def many(stack: Stack) -> list[Record]:
    tenant = unique()
    lines = [
        line(
            tenant, f"s-{n % 3}", n, "log",
            said(("a B", "A_b%", "\\", "b'.\nA")[n % 4] * (n % 3), sorted(LEVELS)[n % 6],
                 ("a", "a.b", "ab")[n % 3], **({"exception": "Bb\n aA"} if n % 5 == 0 else {})),
            **({"trace": TRACE} if n % 2 else {}), **({"user": "ann"} if n % 3 else {}),
        )
        for n in range(1, 60)
    ]  # fmt: skip
    insert(stack, lines, "logs_raw")
    records = [of_event(decode(one)) for one in lines]
    return [record for record in records if record is not None]


@given(choice=CHOICES)
def test_kafka_and_the_archive_are_asked_the_same(
    stack: Stack, many: list[Record], choice: Choice
) -> None:
    choice = replace(choice, tenant=many[0].tenant)
    with connect(stack.settings) as archive:
        assert read(archive, choice, 1000) == [one for one in many if choice.takes(one)]


@contextmanager
def following(settings: Settings, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    environ = {
        "HEADRACE_TOPIC_PREFIX": settings.topic_prefix,
        "HEADRACE_STATE_DIR": str(settings.state_dir),
    }
    with subprocess.Popen(
        command_line("logs", "--follow", "--json", *more),
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as logs:
        try:
            yield logs
        finally:
            logs.kill()


def test_it_goes_on_where_the_archive_ends_without_loss_or_double(stack: Stack) -> None:
    settings = replace(stack.settings, topic_prefix=unique() + ".")
    tenant = unique()

    def lines(first: int, last: int) -> list[bytes]:
        return [line(tenant, "s-1", n, "log", said(str(n))) for n in range(first, last + 1)]

    asyncio.run(topic_admin.apply(settings))
    # The archive of this test has taken in 1 to 3 and committed nothing: all is in Kafka, too.
    asyncio.run(send(settings, lines(1, 5)))
    insert(stack, lines(1, 3), "logs_raw")
    with following(settings, "--tenant", tenant) as logs:
        assert logs.stdout is not None
        found = [logs.stdout.readline() for _ in range(5)]
        asyncio.run(send(settings, [*lines(6, 8), b"no event"]))
        found += [logs.stdout.readline() for _ in range(3)]
        logs.send_signal(signal.SIGINT)
        wait_until_sync(lambda: logs.poll() is not None)
        assert logs.stderr is not None
        assert (logs.wait(10), logs.stderr.read()) == (130, b"")
    assert [orjson.loads(one)["seq"] for one in found] == list(range(1, 9))


async def send(settings: Settings, values: list[bytes]) -> None:
    producer = await start_producer(settings, "test")
    for value in values:
        await producer.send(settings.topic(topics.LOGS), value, b"s-1")
    await producer.flush()
    await producer.stop()
