"""When a try is made again: bounds that hold whatever chance and receivers say."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sinks.notify.delivery_log import DeliveryRecord
from headrace.sinks.notify.outcome import Outcome, of_status
from headrace.sinks.notify.retry_after import LONGEST, seconds_of
from headrace.sinks.notify.schedule import Schedule
from headrace.sinks.notify.settle import settle
from tests.notify.things import NOW, notification


@given(
    tries=st.integers(0, 10_000),
    seed=st.integers(),
    retry_after=st.none() | st.floats(0, LONGEST),
    first=st.floats(0.1, 60),
    longest=st.floats(60, 7200),
)
def test_a_wait_is_within_its_bounds(
    tries: int, seed: int, retry_after: float | None, first: float, longest: float
) -> None:
    schedule = Schedule(first=first, longest=longest)
    wait = schedule.wait(tries, retry_after, random.Random(seed).uniform)
    full = min(longest, first * 2.0 ** min(max(tries, 1) - 1, 60))
    assert wait >= full / 2
    assert wait <= max(full, (retry_after or 0) + first)
    if retry_after is not None:
        assert wait >= retry_after


def test_waits_double_and_are_jittered() -> None:
    schedule = Schedule(first=2, longest=600)
    longest = [schedule.wait(tries, None, lambda _low, high: high) for tries in range(1, 12)]
    assert longest == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    shortest = [schedule.wait(tries, None, lambda low, _high: low) for tries in range(1, 4)]
    assert shortest == [1, 2, 4]
    assert len({schedule.wait(5, None, random.uniform) for _ in range(50)}) > 40


@given(st.integers(0, 2**31), st.floats(0, 2e9))
def test_retry_after_in_seconds(seconds: int, now: float) -> None:
    assert seconds_of(str(seconds), now) == min(seconds, LONGEST)


@given(st.integers(0, 4_000_000_000), st.floats(0, 4e9))
def test_retry_after_as_a_date(at: int, now: float) -> None:
    header = format_datetime(datetime.fromtimestamp(at, timezone.utc), usegmt=True)
    assert seconds_of(header, now) == min(max(at - now, 0), LONGEST)


@given(st.text())
def test_any_retry_after_is_bounded(header: str) -> None:
    found = seconds_of(header, NOW)
    assert found is None or 0 <= found <= LONGEST


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("\u00b2", None),
        (" 7 ", 7),
        ("0", 0),
        ("0" * 5000 + "9", 9),
        ("9" * 5000, LONGEST),
        ("Mon, 24 Nov 2025 16:00:30 GMT", 30),
        ("Mon, 24 Nov 2025 16:00:30", 30),
        ("Mon, 24 Nov 1999 16:00:30 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        ("Mon, 99 Nov 2025 16:00:30 GMT", None),
    ],
)
def test_a_retry_after(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, NOW) == seconds


VERDICTS = {
    "delivered": {200, 201, 202, 204, 299},
    "retry": {408, 425, 429, *range(500, 600)},
    "gone": {410},
}


@pytest.mark.parametrize("status", range(200, 600))
def test_what_a_status_means(status: int) -> None:
    if 200 <= status < 300:
        expected = "delivered"
    else:
        expected = next((v for v, those in VERDICTS.items() if status in those), "give_up")
    outcome = of_status(status, 5.0)
    assert outcome.verdict == expected
    assert outcome.retry_after == (5.0 if expected == "retry" else None)
    assert str(status) in outcome.reason
    assert ("redirect" in outcome.reason) == (300 <= status < 400)


RECORD = DeliveryRecord("msg_1", notification(), "queued", 0, NOW, NOW, NOW)


@given(
    st.lists(st.none() | st.floats(0, LONGEST), min_size=1, max_size=400),
    st.integers(),
    st.floats(0, 30),
)
def test_a_delivery_that_never_succeeds_is_parked_in_time(
    answers: list[float | None], seed: int, took: float
) -> None:
    schedule, uniform = Schedule(), random.Random(seed).uniform
    record, now, tries = RECORD, NOW, 0
    while record.status != "parked":
        outcome = Outcome("retry", "answered 503", answers[tries % len(answers)])
        tries += 1
        now += took
        record = settle(record, outcome, now, schedule, uniform)
        assert record.tries == tries
        assert record.id == RECORD.id
        if record.status == "retrying":
            assert record.next_at is not None
            assert now < record.next_at <= NOW + schedule.give_up_after
            now = record.next_at
    assert record.next_at is None
    assert record.reason == "given up after 24 h: answered 503"
    assert NOW + schedule.give_up_after - LONGEST - 700 <= now
    assert now <= NOW + schedule.give_up_after + 30


def test_what_outcomes_make_of_a_delivery() -> None:
    def after(outcome: Outcome) -> tuple[str, float | None, str]:
        record = settle(RECORD, outcome, NOW + 5, Schedule(), lambda _low, high: high)
        assert (record.tries, record.at) == (1, NOW + 5)
        return record.status, record.next_at, record.reason

    assert after(of_status(200)) == ("delivered", None, "answered 200")
    assert after(of_status(404)) == ("parked", None, "answered 404")
    assert after(of_status(410))[0] == "parked"
    assert after(of_status(500)) == ("retrying", NOW + 7, "answered 500")
    assert after(of_status(429, 60)) == ("retrying", NOW + 67, "answered 429")
