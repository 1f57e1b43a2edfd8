"""Requests: their size, their search for what is to blame, and their patience."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.errors import Poison, TooManyPoisoned
from headrace.sinks.otlp.exporter import Away, Taken
from headrace.sinks.otlp.row import Row
from headrace.streams.otlp import sending
from headrace.streams.otlp.recent import Recent, digest_of
from headrace.streams.otlp.sending import MOST_SPANS, Sending
from headrace.streams.worker_metrics import Metrics
from tests.otlp.spans import record, span, value


class Script:
    """An exporter that judges by what it is told."""

    def __init__(self, judge: Callable[[Sequence[Row]], Taken]) -> None:
        self._judge = judge
        self.taken: list[list[str]] = []

    async def export(self, rows: Sequence[Row]) -> Taken:
        taken = self._judge(rows)
        self.taken.append([row.name for row in rows])
        return taken

    async def close(self) -> None:
        """Nothing is open."""


def send(
    judge: Callable[[Sequence[Row]], Taken],
    values: Sequence[bytes],
    refused: Callable[[int, Poison], None] | None = None,
) -> tuple[Script, dict[int, str], list[bool]]:
    script, letters, told = Script(judge), dict[int, str](), list[bool]()
    one = Sending(script, Metrics(), told=told.append)

    def note(index: int, poison: Poison) -> None:
        letters[index] = poison.reason

    asyncio.run(one.send(enumerate(values), refused or note))
    return script, letters, told


@given(st.lists(st.sampled_from(["good", "bad", "torn"]), max_size=40))
def test_each_bad_one_is_found_and_each_good_one_taken_once(kinds: list[str]) -> None:
    def judge(rows: Sequence[Row]) -> Taken:
        if any(row.name == "bad" for row in rows):
            raise Poison("bad")
        return Taken()

    values = [b"torn" if kind == "torn" else record("t", SpanName=kind) for kind in kinds]
    script, letters, _ = send(judge, values)
    assert sum(map(len, script.taken)) == kinds.count("good")
    assert letters.keys() == {n for n, kind in enumerate(kinds) if kind != "good"}


def test_a_request_has_a_bound_of_spans_and_of_bytes() -> None:
    values = [record("t")] * (MOST_SPANS + 1)
    assert [len(part) for part in send(lambda _: Taken(), values)[0].taken] == [MOST_SPANS, 1]
    long = [value(span("t", StatusMessage="x" * 700_000))] * 3
    assert [len(part) for part in send(lambda _: Taken(), long)[0].taken] == [1, 1, 1]


def test_it_waits_as_long_as_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("headrace.streams.otlp.sending.asyncio.sleep", sleep)
    answers = [
        Away("x", label="503"),
        Away("x", label="429", after=77.0),
        *[Away("x", label="none")] * 12,
    ]

    def judge(_: Sequence[Row]) -> Taken:
        if answers:
            raise answers.pop(0)
        return Taken()

    script, letters, told = send(judge, [record("t")])
    assert (len(script.taken), letters) == (1, {})
    assert waits[1] == 77.0
    assert 0 < waits[0] < 1
    assert all(sending.LONGEST_WAIT / 2 <= wait <= sending.LONGEST_WAIT for wait in waits[-4:])
    assert told == [True] * 14 + [False]


def test_a_limit_that_is_passed_ends_it() -> None:
    def judge(_: Sequence[Row]) -> Taken:
        raise Poison("bad")

    def refused(_: int, poison: Poison) -> None:
        raise TooManyPoisoned(poison.reason)

    with pytest.raises(TooManyPoisoned):
        send(judge, [record("t")] * 5, refused)


@given(st.lists(st.binary(max_size=2), max_size=30), st.integers(1, 5))
def test_what_is_recent_is_bounded_and_the_last(values: list[bytes], most: int) -> None:
    recent = Recent(most)
    for one in values:
        if digest_of(one) not in recent:
            recent.add(digest_of(one))
    model: dict[Any, None] = {}
    for one in values:
        if one not in model:
            if len(model) == most:
                del model[next(iter(model))]
            model[one] = None
    assert {one for one in values if digest_of(one) in recent} == set(model)
