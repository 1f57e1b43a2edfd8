from __future__ import annotations

import contextvars
import inspect
import signal
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import orjson
import pytest

from headrace.events import envelope, types
from headrace.events.settings import load
from headrace.producers import EventProducer
from headrace.producers.lane import Lane
from headrace.testing import InMemoryProducer

from .conftest import Unshipped, spooled, spooled_lines

Make = Callable[..., Unshipped]


def event(kind: str, **data: Any) -> Any:
    return SimpleNamespace(type=kind, data=data)


def test_numbers_start_at_one_and_have_no_holes(make: Make, spool_dir: Path) -> None:
    hook = make().hook(session="s-1")
    for _ in range(5):
        hook(event("llm_text", chunk="x"))
    assert [e.seq for e in spooled(spool_dir)] == [1, 2, 3, 4, 5]


def test_sessions_have_epochs_of_their_own(make: Make, spool_dir: Path) -> None:
    producer = make()
    one, again, other = (producer.hook(session=s) for s in ("a", "a", "b"))
    for hook in (one, again, other):
        hook(event("x"))
    a1, a2, b1 = spooled(spool_dir)
    assert a1.epoch == a2.epoch != b1.epoch
    assert (a1.seq, a2.seq, b1.seq) == (1, 2, 1)


def test_eight_threads_number_and_append_in_one_step(make: Make, spool_dir: Path) -> None:
    producer = make()
    gate = threading.Barrier(8)

    def run(number: int) -> None:
        hook = producer.hook(session=f"s-{number % 2}", user=f"u-{number}")
        gate.wait()
        for i in range(500):
            hook(event("tool_output", thread=number, i=i))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    by_session = defaultdict(list)
    for e in spooled(spool_dir):
        by_session[e.session].append(e)
    assert {s: [e.seq for e in events] for s, events in by_session.items()} == {
        "s-0": list(range(1, 2001)),
        "s-1": list(range(1, 2001)),
    }
    assert all(e.user == f"u-{e.data['thread']}" for es in by_session.values() for e in es)


def test_every_line_obeys_the_schema(make: Make, spool_dir: Path) -> None:
    producer = make()
    with producer.bind(session="s", user="u", agent="main", trace="00-1-2-01") as hook:
        for kind in ("turn_begin", "llm_call_started", "llm_text", "turn_end"):
            hook(event(kind))
    producer(event("x"))
    producer.close(timeout=0)
    validator = jsonschema.Draft202012Validator(envelope.json_schema())
    lines = spooled_lines(spool_dir)
    assert len(lines) == 7
    for line in lines:
        validator.validate(orjson.loads(line))


def test_turns_are_numbered_and_timed() -> None:
    producer = InMemoryProducer()
    hook = producer.hook(session="s")
    for kind in ("turn_begin", "llm_call_started", "llm_text", "llm_text", "turn_end", "x"):
        hook(event(kind))
    hook(event("turn_begin"))
    begin, started, first, second, end, after, again = producer.events()
    assert [e.turn for e in (begin, started, end, after, again)] == [1, 1, 1, None, 2]
    assert end.duration_ms is not None
    assert first.duration_ms is not None
    assert second.duration_ms is None
    assert end.duration_ms >= first.duration_ms >= 0


def test_an_event_without_a_session_goes_to_unbound() -> None:
    producer = InMemoryProducer()
    producer(event("x"))
    with producer.bind(session="s-1"):
        producer(event("y"))
    producer(event("z"))
    assert [(e.type, e.session) for e in producer.events()] == [
        ("x", "unbound"),
        ("y", "s-1"),
        ("z", "unbound"),
    ]


def test_bindings_nest_and_belong_to_one_producer_and_one_context() -> None:
    one, two = InMemoryProducer(), InMemoryProducer()
    with one.bind(session="outer"):
        with one.bind(session="inner"), two.bind(session="of-two"):
            one(event("a"))
            two(event("b"))
        one(event("c"))
        contextvars.Context().run(one, event("d"))
    assert [e.session for e in one.events()] == ["inner", "outer", "unbound"]
    assert [e.session for e in two.events()] == ["of-two"]


async def test_the_async_form_is_awaited() -> None:
    producer = InMemoryProducer()
    on_event = producer.async_hook(session="s")
    assert inspect.iscoroutinefunction(on_event)
    await on_event(event("x"))
    assert [e.type for e in producer.events()] == ["x"]


@pytest.mark.parametrize("thing", [None, 3, object(), SimpleNamespace(type="x")])
def test_what_is_no_event_is_told_in_the_stream(thing: object) -> None:
    producer = InMemoryProducer()
    producer.hook(session="s")(thing)
    (told,) = producer.events()
    assert told.type == "headrace.unreadable"
    assert told.data["unreadable"] == type(thing).__name__


def test_end_writes_the_marker_and_the_next_event_starts_another_epoch() -> None:
    producer = InMemoryProducer()
    hook = producer.hook(session="s")
    hook(event("x"))
    hook.end("done")
    hook(event("y"))
    x, end, y = producer.events()
    assert (end.type, end.seq, end.epoch) == (types.EPOCH_END, 2, x.epoch)
    assert end.data == {"reason": "done", "dropped": {}}
    assert y.epoch != x.epoch
    assert y.seq == 1


def test_close_ends_every_epoch_and_later_events_are_counted(make: Make, spool_dir: Path) -> None:
    producer = make()
    hooks = [producer.hook(session=f"s-{n}") for n in range(3)]
    for hook in hooks:
        hook(event("x"))
    report = producer.close(timeout=0)
    assert [e.type for e in spooled(spool_dir)] == ["x"] * 3 + [types.EPOCH_END] * 3
    assert (report.accepted, report.delivered, report.spooled) == (6, 0, 6)
    hooks[0](event("late"))
    assert len(spooled(spool_dir)) == 6


def test_idle_sessions_are_evicted_with_a_marker(make: Make, spool_dir: Path) -> None:
    producer = make(max_sessions=10)
    for n in range(200):
        producer.hook(session=f"s-{n}")(event("x"))
        producer._journal.check()
    ended = [e for e in spooled(spool_dir) if e.type == types.EPOCH_END]
    assert len(ended) >= 185
    assert {e.data["reason"] for e in ended} == {"evicted"}
    assert len(producer._journal._epochs.all()) <= 11


def test_a_signal_handler_may_emit_in_the_middle_of_an_event() -> None:
    producer = InMemoryProducer()
    hook = producer.hook(session="s")
    clock = producer._journal._monotonic

    def interrupted() -> float:
        producer._journal._monotonic = clock
        signal.raise_signal(signal.SIGUSR1)
        return clock()

    before = signal.signal(signal.SIGUSR1, lambda *_: hook(event("from handler")))
    try:
        producer._journal._monotonic = interrupted
        hook(event("turn_begin"))
    finally:
        signal.signal(signal.SIGUSR1, before)
    hook(event("after"))
    assert sorted(e.type for e in producer.events()) == ["after", "from handler", "turn_begin"]
    assert [e.seq for e in producer.events()] == [1, 2, 3]


def test_an_exception_from_a_signal_does_not_lose_a_number() -> None:
    producer = InMemoryProducer()
    hook = producer.hook(session="s")
    clock = producer._journal._monotonic

    def interrupted() -> float:
        producer._journal._monotonic = clock
        raise KeyboardInterrupt

    producer._journal._monotonic = interrupted
    with pytest.raises(KeyboardInterrupt):
        hook(event("turn_begin"))
    hook(event("x"))
    producer.drain(0)
    x, told = producer.events()
    assert (x.type, x.seq) == ("x", 2)
    assert told.data == {"reason": "interrupted", "first_seq": 1, "last_seq": 1, "count": 1}


def test_from_env_names_what_is_missing(tmp_path: Path) -> None:
    env = {"HEADRACE_KAFKA": "nowhere:0", "HEADRACE_SPOOL_DIR": str(tmp_path)}
    with pytest.raises(Exception, match="HEADRACE_TENANT"):
        EventProducer.from_env(env)
    memory = {"HEADRACE_TENANT": "t", "HEADRACE_DURABILITY": "memory"}
    producer = EventProducer.from_env(env | memory)
    producer(event("x"))
    assert producer.report().accepted == 1
    assert producer.close(timeout=0).dropped == {"undelivered": 2}


def test_from_env_spools_where_the_other_commands_look(tmp_path: Path) -> None:
    state = tmp_path / "state"
    env = {"HEADRACE_KAFKA": "a:1", "HEADRACE_TENANT": "t", "HEADRACE_STATE_DIR": str(state)}
    producer = Unshipped.from_env(env)
    assert [lane.path.parent for lane in Lane.all(load(env).spool)] == [state / "spool"]
    producer.close(0)
