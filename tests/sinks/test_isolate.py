"""The bad values are found, all of them and no other, and the good ones land."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.errors import Poison, Retryable, TooManyPoisoned
from headrace.sinks.isolate import isolate

GOOD = b'{"tenant":"t","session":"s","epoch":"e","seq":%d,"ts":1.0,"type":"x","data":{}}'


class Server:
    """Refuses a batch that holds a bad value, as ClickHouse does."""

    def __init__(self, bad: set[bytes]) -> None:
        self.bad = bad
        self.landed: list[bytes] = []
        self.requests = 0

    async def insert(self, values: list[bytes]) -> None:
        self.requests += 1
        if self.bad & set(values):
            raise Poison("refused", code=27)
        self.landed += values


@given(st.integers(0, 60), st.data())
def test_each_value_lands_or_is_told(count: int, data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from("gjb"), min_size=count, max_size=count))
    # j: not JSON, so decoding gives it away; b: well-formed, and only the server refuses it.
    values = [
        GOOD % (i + 1) if kind in "gb" else b"{not json %d}" % i for i, kind in enumerate(kinds)
    ]
    server = Server({value for value, kind in zip(values, kinds, strict=True) if kind != "g"})
    told: dict[int, Poison] = {}
    landed = asyncio.run(isolate(values, server.insert, told.__setitem__))
    assert set(told) == {i for i, kind in enumerate(kinds) if kind != "g"}
    assert sorted(server.landed) == sorted(
        v for v, kind in zip(values, kinds, strict=True) if kind == "g"
    )
    assert landed == len(server.landed)


def test_malformed_values_cost_about_one_request_each() -> None:
    values = [GOOD % (i + 1) if i % 50 else b"{bad %d}" % i for i in range(5_000)]
    server = Server({value for value in values if value.startswith(b"{bad")})
    told: dict[int, Poison] = {}
    asyncio.run(isolate(values, server.insert, told.__setitem__))
    assert len(told) == 100
    assert server.requests <= 102


def test_one_bad_value_among_many_costs_a_few_requests() -> None:
    values = [GOOD % (i + 1) for i in range(4_096)]
    server = Server({values[1234]})
    told: dict[int, Poison] = {}
    asyncio.run(isolate(values, server.insert, told.__setitem__))
    assert list(told) == [1234]
    assert server.requests <= 26


def test_a_server_that_is_away_is_not_the_values_fault() -> None:
    async def insert(values: list[bytes]) -> None:
        raise Retryable("away")

    with pytest.raises(Retryable):
        asyncio.run(isolate([GOOD % 1], insert, lambda *told: pytest.fail(str(told))))


def test_the_limit_ends_the_search() -> None:
    values = [b"{bad %d}" % i for i in range(1_000)]
    server = Server(set(values))

    def refused(index: int, poison: Poison) -> None:
        raise TooManyPoisoned("enough")

    with pytest.raises(TooManyPoisoned):
        asyncio.run(isolate(values, server.insert, refused))
    assert server.requests < 20
