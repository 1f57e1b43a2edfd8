"""The application's own trace, taken where a turn begins."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from headrace.events.envelope import SEQ_MARK, decode, split_prefix
from headrace.producers import traceparent
from headrace.testing import InMemoryProducer

TRACER = TracerProvider().get_tracer("tests")


@pytest.fixture
def producer() -> Iterator[InMemoryProducer]:
    with InMemoryProducer() as made:
        yield made


def event(kind: str, **data: Any) -> Any:
    return SimpleNamespace(type=kind, data=data)


def test_all_of_a_turn_is_in_the_trace_of_the_span_that_it_began_in(
    producer: InMemoryProducer,
) -> None:
    hook = producer.hook("s")
    hook(event("before"))
    with TRACER.start_as_current_span("user_chat"):
        mine = traceparent.current()
        hook(event("turn_begin"))
        hook(event("llm_text"))
    # A tool thread has no span, and is in the same turn.
    tool = threading.Thread(target=hook, args=(event("tool_start"),))
    tool.start()
    tool.join()
    hook.emit("own", {})
    hook(event("turn_end"))
    hook(event("after"))
    assert mine is not None
    assert [e.trace for e in producer.events()] == [None, *[mine] * 5, None]


def test_each_turn_takes_its_own_also_where_turns_follow_without_an_end(
    producer: InMemoryProducer,
) -> None:
    hook = producer.hook("s")
    begin = event("turn_begin")
    spans = []
    for _ in range(2):
        with TRACER.start_as_current_span("chat"):
            spans.append(traceparent.current())
            hook(begin)
    hook(begin)
    hook.emit("turn_begin", {})
    assert len(set(spans)) == 2
    assert [e.trace for e in producer.events()] == [*spans, None, None]


def test_a_trace_that_was_given_stays(producer: InMemoryProducer) -> None:
    hook = producer.hook("s", trace="00-given")
    with TRACER.start_as_current_span("chat"):
        for kind in ("turn_begin", "x", "turn_end", "y"):
            hook(event(kind))
    assert [e.trace for e in producer.events()] == ["00-given"] * 4


def test_hooks_of_one_session_have_traces_of_their_own(producer: InMemoryProducer) -> None:
    one, other = producer.hook("s"), producer.hook("s", user="u")
    with TRACER.start_as_current_span("chat"):
        mine = traceparent.current()
        one(event("turn_begin"))
    for hook in (other, one):
        hook(event("x"))
    assert [e.trace for e in producer.events()] == [mine, None, mine]


def test_turns_of_one_hook_at_the_same_time_are_one_turn(producer: InMemoryProducer) -> None:
    hook = producer.hook("s")
    spans: list[str | None] = []

    def begin() -> None:
        with TRACER.start_as_current_span("chat"):
            spans.append(traceparent.current())
            hook(event("turn_begin"))

    for _ in range(2):
        thread = threading.Thread(target=begin)
        thread.start()
        thread.join()
    for kind in ("x", "turn_end", "y", "turn_end"):
        hook(event(kind))
    first, last = spans
    expected = [(1, first), (2, last), (2, last), (2, last), (None, None), (None, None)]
    assert [(e.turn, e.trace) for e in producer.events()] == expected


def test_a_trace_outlives_the_epoch_that_ends_within_its_turn(producer: InMemoryProducer) -> None:
    hook = producer.hook("s")
    with TRACER.start_as_current_span("chat"):
        mine = traceparent.current()
        hook(event("turn_begin"))
    hook.end()
    hook(event("x"))
    *_, last = producer.events()
    assert last.trace == mine


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 1), st.sampled_from(["turn_begin", "x", "turn_end", "end"]),
                  st.booleans()),
        max_size=30,
    )
)  # fmt: skip
def test_prefixes_hold_whatever_comes(steps: list[tuple[int, str, bool]]) -> None:
    with InMemoryProducer() as producer:
        hooks = [producer.hook('s",\\"seq":9'), producer.hook("t", trace='00-"')]
        for number, kind, within in steps:
            hook = hooks[number]
            if kind == "end":
                hook.end()
            elif within:
                with TRACER.start_as_current_span("chat"):
                    hook(event(kind))
            else:
                hook(event(kind))
        for line in producer.lines():
            prefix, seq = split_prefix(line)
            whole = decode(line)
            assert line.count(SEQ_MARK) == 1
            assert seq == whole.seq
            assert decode(prefix + b',"seq":1,"ts":1,"type":"x","data":{}}').trace == whole.trace
