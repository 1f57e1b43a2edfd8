"""What a log handler makes of what is logged, and that nothing that is logged can hurt."""

from __future__ import annotations

import asyncio
import contextvars
import io
import logging
import logging.handlers
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.events import types
from headrace.events.envelope import Envelope
from headrace.producers import LogHandler
from headrace.producers.hosts import THREAD_NAME
from headrace.producers.lane import Lane
from headrace.testing import InMemoryProducer

from .conftest import Unshipped, spooled

Make = Callable[..., Unshipped]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def producer(make: Make) -> Unshipped:
    return make()


@pytest.fixture
def handler(producer: Unshipped) -> LogHandler:
    return LogHandler(producer)


@pytest.fixture
def logger(handler: LogHandler) -> logging.Logger:
    """One that nobody else listens to: pytest's own handlers would fail on what fails."""
    made = logging.Logger("agentao.test", logging.DEBUG)  # noqa: LOG001 - see above
    made.addHandler(handler)
    return made


def lanes(spool_dir: Path, topic: str = "agent.logs") -> list[Lane]:
    found = [(lane, lane.about()) for lane in Lane.all(spool_dir)]
    return [lane for lane, about in found if about is not None and about[0].topic == topic]


def logged(spool_dir: Path) -> list[Envelope]:
    return [one for one in spooled(spool_dir) if one.type == types.LOG]


def test_a_record_says_what_was_logged(logger: logging.Logger, spool_dir: Path) -> None:
    before = time.time()
    logger.warning("took %d ms", 12, extra={"order": "o-1"})
    (one,) = logged(spool_dir)
    assert (one.tenant, one.session, one.seq, one.user) == ("acme", "unbound", 1, None)
    assert before <= one.ts <= time.time()
    said = {name: one.data[name] for name in ("level", "level_no", "logger", "message", "extra")}
    assert said == {
        "level": "WARNING",
        "level_no": 30,
        "logger": "agentao.test",
        "message": "took 12 ms",
        "extra": {"order": "o-1"},
    }
    assert one.data["file"] == __file__
    assert one.data["function"] == "test_a_record_says_what_was_logged"
    assert one.data["process"] == os.getpid()
    assert lanes(spool_dir)


def test_an_exception_has_its_traceback_and_a_stack_is_shown(
    logger: logging.Logger, spool_dir: Path
) -> None:
    try:
        int("no order")
    except ValueError:
        logger.exception("it broke", stack_info=True)
    (one,) = logged(spool_dir)
    assert one.data["exception"].startswith("Traceback (most recent call last):\n")
    assert one.data["exception"].endswith("base 10: 'no order'")
    assert one.data["stack"].startswith("Stack (most recent call last):\n")


def test_extra_says_whose_it_is_and_the_tenant_is_the_producers(
    producer: Unshipped, logger: logging.Logger, spool_dir: Path
) -> None:
    with producer.bind("s-1", user="ann", agent="main"):
        logger.info("a", extra={"session_id": "s-1", "tenant_id": "acme"})
        logger.info("b", extra={"session_id": "s-2"})
        logger.info("c", extra={"user_id": 7, "tenant_id": "globex"})
        logger.info("d", extra={"session_id": "", "user_id": None})
    found = [(one.session, one.user, one.agent) for one in logged(spool_dir)]
    # Another session's user is not known.
    assert sorted(found, key=str) == sorted(
        [
            ("s-1", "ann", "main"),
            ("s-2", None, None),
            ("s-1", "7", "main"),
            ("s-1", "ann", "main"),
        ],
        key=str,
    )
    by_message = {one.data["message"]: one.data.get("extra") for one in logged(spool_dir)}
    assert by_message["a"] is None
    assert by_message["c"] == {"tenant_id": "globex"}
    assert {one.tenant for one in logged(spool_dir)} == {"acme"}


def turn(hook: Any, kind: str) -> None:
    hook(SimpleNamespace(type=kind, data={}))


def test_lines_of_a_turn_are_its_sessions_in_its_thread_and_in_copied_contexts(
    producer: Unshipped, logger: logging.Logger, spool_dir: Path
) -> None:
    def run(session: str) -> None:
        hook = producer.hook(session, user=f"user of {session}")
        logger.info("before")
        turn(hook, "turn_begin")
        logger.info(session)
        with ThreadPoolExecutor(2) as tools:
            tools.submit(contextvars.copy_context().run, logger.info, session).result()
            tools.submit(logger.info, "elsewhere").result()
        turn(hook, "turn_end")
        logger.info("after")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, [f"s-{n}" for n in range(20)]))
    for one in logged(spool_dir):
        message = one.data["message"]
        in_turn = message.startswith("s-")
        assert one.session == (message if in_turn else "unbound")
        assert one.user == (f"user of {message}" if in_turn else None)
    assert len(logged(spool_dir)) == 100


def test_the_innermost_holds_and_turns_that_never_end_leave_nothing(
    producer: Unshipped, logger: logging.Logger, spool_dir: Path
) -> None:
    outer, inner = producer.hook("outer"), producer.hook("inner")

    def run() -> None:
        for _ in range(100):
            turn(outer, "turn_begin")  # and never an end
        logger.info("outer")
        turn(inner, "turn_begin")
        logger.info("inner")
        with producer.bind("bound") as bound:
            logger.info("bound")
            turn(bound, "turn_begin")
            logger.info("bound")
            turn(bound, "turn_end")
            logger.info("bound")
        logger.info("inner")
        turn(inner, "turn_end")
        logger.info("outer")
        turn(outer, "turn_end")
        logger.info("unbound")
        for n in range(100):
            turn(producer.hook(f"lost-{n}"), "turn_begin")
        logger.info("lost-99")

    contextvars.copy_context().run(run)
    assert all(one.session == one.data["message"] for one in logged(spool_dir))
    assert len(logged(spool_dir)) == 9


def test_two_producers_do_not_speak_for_each_other(
    make: Make, producer: Unshipped, logger: logging.Logger, spool_dir: Path
) -> None:
    other = make(tenant="globex", spool_dir=spool_dir.parent / "other")
    logger.addHandler(LogHandler(other))
    with other.bind("theirs"):
        logger.info("theirs")
        with producer.bind("ours"):
            logger.info("both")
        logger.info("named", extra={"session_id": "s-9"})
    logger.info("nobody's")
    ours, others = logged(spool_dir), logged(spool_dir.parent / "other")
    assert [(one.session, one.data["message"]) for one in ours] == [
        ("ours", "both"),
        ("s-9", "named"),
        ("unbound", "nobody's"),
    ]
    assert [one.session for one in others] == ["theirs", "theirs", "s-9", "unbound"]


def test_the_open_turn_of_a_closed_producer_is_nobodys(
    make: Make, logger: logging.Logger, spool_dir: Path
) -> None:
    def run() -> None:
        other = make(tenant="globex", spool_dir=spool_dir.parent / "other")
        turn(other.hook("theirs"), "turn_begin")
        logger.info("theirs")
        other.close(timeout=0)
        logger.info("after them")

    contextvars.copy_context().run(run)
    assert [(one.session, one.data["message"]) for one in logged(spool_dir)] == [
        ("unbound", "after them")
    ]


def test_tasks_of_asyncio_keep_their_sessions(
    producer: Unshipped, logger: logging.Logger, spool_dir: Path
) -> None:
    async def serve(session: str) -> None:
        with producer.bind(session):
            await asyncio.sleep(0)
            logger.info(session)
            await asyncio.to_thread(logger.info, session)

    async def main() -> None:
        await asyncio.gather(*(serve(f"s-{n}") for n in range(10)))

    asyncio.run(main())
    found = [(one.session, one.data["message"]) for one in logged(spool_dir)]
    assert len(found) == 20
    assert all(session == message for session, message in found)


def test_the_current_span_is_the_trace_else_the_bindings(
    producer: Unshipped, logger: logging.Logger, spool_dir: Path
) -> None:
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - the whole SDK

    with producer.bind("s-1", trace=TRACE):
        logger.info("bound")
        with TracerProvider().get_tracer("test").start_as_current_span("span") as span:
            logger.info("span")
            context = span.get_span_context()
    traces = {one.data["message"]: one.trace for one in logged(spool_dir)}
    assert traces == {
        "bound": TRACE,
        "span": f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}",
    }


def test_a_record_that_waited_in_a_queue_has_its_own_time(
    handler: LogHandler, spool_dir: Path
) -> None:
    waiting: queue.Queue[logging.LogRecord] = queue.Queue()
    logging.handlers.QueueHandler(waiting).emit(
        logging.makeLogRecord({"created": 1_700_000_000.5, "msg": "old"})
    )
    handler.handle(waiting.get())
    assert logged(spool_dir)[0].ts == 1_700_000_000.5


class TestWhateverIsLogged:
    def test_arguments_that_do_not_fit_are_told(
        self, logger: logging.Logger, spool_dir: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        logger.info("%d orders", "many")
        logger.info("%s %s", "one")  # noqa: PLE1206 - that is the point
        first, second = (one.data for one in logged(spool_dir))
        assert (first["message"], second["message"]) == ("%d orders", "%s %s")
        assert first["_headrace"]["format"].startswith("TypeError: ")
        assert capfd.readouterr() == ("", "")

    def test_a_str_that_logs_and_one_that_fails(
        self, logger: logging.Logger, spool_dir: Path
    ) -> None:
        class Talkative:
            def __str__(self) -> str:
                logger.info("while %s", self)
                return "talkative"

        class Broken:
            def __str__(self) -> str:
                raise RuntimeError("never")

        logger.info(Talkative())
        logger.info(Broken(), extra={"it": Broken()})
        messages = [one.data["message"] for one in logged(spool_dir)]
        within = ["while %s", "while talkative", "while talkative"]
        assert messages == [*within, "talkative", "<Broken: RuntimeError>"]

    def test_a_long_one_is_cut_and_says_of_what(
        self, make: Make, logger: logging.Logger, spool_dir: Path
    ) -> None:
        producer = make(max_event_bytes=10_000)
        handler = LogHandler(producer)
        handler.handle(logging.makeLogRecord({"msg": "x" * 100_000, "levelname": "INFO"}))
        (one,) = logged(spool_dir)
        assert one.data["level"] == "INFO"
        assert one.data["message"].startswith("xxx")
        assert one.data["_headrace"]["cut"]["bytes"] > 100_000

    def test_levels_of_ones_own(self, logger: logging.Logger, spool_dir: Path) -> None:
        logging.addLevelName(25, "REMARK")  # for the whole process
        logger.log(25, "x")
        logger.log(3, "nobody")
        logger.log(17, "nameless")
        found = [(one.data["level"], one.data["level_no"]) for one in logged(spool_dir)]
        assert found == [("REMARK", 25), ("Level 17", 17)]

    def test_headrace_and_its_shipper_are_not_heard(
        self, producer: Unshipped, handler: LogHandler, spool_dir: Path
    ) -> None:
        root = logging.getLogger()
        root.addHandler(handler)
        try:
            producer._warn("test", "headrace warns")
            aside = threading.Thread(
                target=logging.getLogger("aiokafka").warning, args=("away",), name=THREAD_NAME
            )
            aside.start()
            aside.join()
            logging.getLogger("aiokafka").warning("the application's own")
        finally:
            root.removeHandler(handler)
        assert [one.data["message"] for one in logged(spool_dir)] == ["the application's own"]

    @given(
        fields=st.dictionaries(
            st.sampled_from(
                ["msg", "args", "levelname", "levelno", "name", "exc_info", "exc_text", "created",
                 "stack_info", "pathname", "lineno", "threadName", "session_id", "user_id",
                 "tenant_id", "\ud800", "message", "anything"]
            ),
            st.recursive(
                st.none() | st.integers() | st.floats() | st.binary(max_size=9) | st.booleans()
                | st.text(st.characters(exclude_categories=[]), max_size=9)
                | st.builds(object) | st.just(sys),
                lambda some: st.lists(some, max_size=3) | st.tuples(some, some, some)
                | st.dictionaries(st.text(max_size=3) | st.integers(), some, max_size=3),
                max_leaves=6,
            ),
        )
    )  # fmt: skip
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_record_becomes_an_envelope(
        self, handler: LogHandler, spool_dir: Path, fields: dict[str, Any]
    ) -> None:
        record = logging.LogRecord("x", 20, "f", 1, "m", (), None)
        record.__dict__.update(fields)
        before = len(logged(spool_dir))
        handler.handle(record)
        found = logged(spool_dir)
        assert len(found) == before + 1 == handler.report().accepted

    def test_a_full_spool_drops_logs_before_events_and_counts_them(
        self, make: Make, spool_dir: Path
    ) -> None:
        producer = make(spool_max_bytes=100_000)
        handler = LogHandler(producer)
        for _ in range(300):
            handler.handle(logging.makeLogRecord({"msg": "y" * 500, "levelno": 20}))
        dropped = handler.report().dropped["full"]
        assert 0 < dropped == 300 - len(logged(spool_dir))
        handler.handle(logging.makeLogRecord({"msg": "y" * 500, "levelno": 40}))
        producer.hook("s")(SimpleNamespace(type="llm_call_completed", data={}))
        assert handler.report().dropped == {"full": dropped}
        assert producer.report().dropped == {}

    def test_after_the_end_they_are_counted_as_late(
        self, producer: Unshipped, handler: LogHandler
    ) -> None:
        handler.handle(logging.makeLogRecord({"msg": "in time"}))
        producer.close(timeout=0)
        handler.handle(logging.makeLogRecord({"msg": "late"}))
        assert handler.report().accepted == 2  # and the end marker
        LogHandler(producer).handle(logging.makeLogRecord({"msg": "later"}))


def test_without_kafka_tests_look_at_what_was_logged() -> None:
    with InMemoryProducer() as producer:
        handler = LogHandler(producer)
        with producer.bind("s-1"):
            handler.handle(logging.makeLogRecord({"msg": "a"}))
        handler.handle(logging.makeLogRecord({"msg": "b"}))
        assert [one.data["message"] for one in producer.logs()] == ["a", "b"]
        assert [one.data["message"] for one in producer.logs("s-1")] == ["a"]
        assert producer.events() == []
        producer.clear()
        assert producer.logs() == []


class TestStdout:
    def test_a_line_has_the_essential_fields(self, producer: Unshipped) -> None:
        out = io.StringIO()
        handler = LogHandler(producer, stdout=out)
        with producer.bind("s-1", user="ann", trace=TRACE):
            handler.handle(logging.makeLogRecord({"msg": "two\nlines", "created": 0.25}))
        handler.handle(logging.makeLogRecord({"msg": "x", "extra": 1}))
        first, second = (orjson.loads(one) for one in out.getvalue().splitlines())
        wanted = {
            "time": "1970-01-01T00:00:00.250000Z",
            "message": "two\nlines",
            "session_id": "s-1",
            "tenant_id": "acme",
            "user_id": "ann",
            "trace_id": TRACE[3:35],
        }
        assert {name: first[name] for name in wanted} == wanted
        assert (second["session_id"], second["user_id"]) == ("unbound", None)

    def test_a_stream_that_is_closed_or_logs_hurts_nobody(
        self, producer: Unshipped, spool_dir: Path
    ) -> None:
        handlers: list[LogHandler] = []

        class Redirected(io.StringIO):
            def write(self, text: str) -> int:
                handlers[0].handle(logging.makeLogRecord({"msg": "written"}))
                return len(text)

        handlers.append(LogHandler(producer, stdout=Redirected()))
        handlers[0].handle(logging.makeLogRecord({"msg": "first"}))
        assert [one.data["message"] for one in logged(spool_dir)] == ["first", "written"]
        closed = io.StringIO()
        closed.close()
        LogHandler(producer, stdout=closed).handle(logging.makeLogRecord({"msg": "third"}))
        assert len(logged(spool_dir)) == 3


def test_many_threads_and_a_signal_handler(
    handler: LogHandler, logger: logging.Logger, spool_dir: Path
) -> None:
    left = iter(range(20))

    def on_alarm(*_: object) -> None:
        logger.warning("signal")
        if next(left, None) is not None:  # once this one is through: they must not pile up
            signal.setitimer(signal.ITIMER_REAL, 0.002)

    def log(thread: int) -> None:
        for i in range(300):
            logger.info("%d %d", thread, i)

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(log, range(8)))
        log(8)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    found = logged(spool_dir)
    assert [one.seq for one in found] == list(range(1, len(found) + 1))
    assert sum(one.data["message"] != "signal" for one in found) == 9 * 300
    assert handler.report().accepted == len(found)


FORKING = """
import logging, os, sys
from headrace.producers import EventProducer, LogHandler
producer = EventProducer("127.0.0.1:9", tenant="t", spool_dir=sys.argv[1], shipper="thread")
handler = LogHandler(producer)
log = logging.getLogger("app")
log.addHandler(handler)
log.warning("parent")
if os.fork() == 0:
    log.warning("child")
    log.warning("child")
    assert handler.report().accepted == 2
    os._exit(0)
os.wait()
log.warning("parent")
assert handler.report().accepted == 2
"""


def test_a_fork_has_its_own_numbers_and_the_end_of_the_interpreter_is_marked(
    tmp_path: Path,
) -> None:
    subprocess.run([sys.executable, "-c", FORKING, str(tmp_path)], check=True, timeout=60)
    epochs: dict[str, list[tuple[int, str, str]]] = {}
    for one in spooled(tmp_path):
        message = one.data.get("message", "")
        epochs.setdefault(one.epoch, []).append((one.seq, one.type, message))
    parent = [(1, "log", "parent"), (2, "log", "parent"), (3, "headrace.epoch_end", "")]
    child = [(1, "log", "child"), (2, "log", "child")]
    assert sorted(map(sorted, epochs.values()), key=len) == [child, sorted(parent)]


@pytest.mark.parametrize("created", [float("nan"), float("inf"), -1.0, 1.7e12, "soon", None, True])
def test_a_record_whose_time_is_none_is_of_now_and_told_once(
    producer: Unshipped, spool_dir: Path, created: Any
) -> None:
    printed = io.StringIO()
    record = logging.makeLogRecord({"name": "a", "msg": "m", "created": created})
    LogHandler(producer, stdout=printed).handle(record)
    (one,) = logged(spool_dir)
    assert one.data["message"] == "m"
    assert abs(one.ts - time.time()) < 60
    (line,) = printed.getvalue().splitlines()
    assert orjson.loads(line)["message"] == "m"
