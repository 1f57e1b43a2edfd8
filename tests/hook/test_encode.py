from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.envelope import decode
from headrace.producers.encode import cut, encode
from headrace.testing import InMemoryProducer


class Colour(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    q: int = 3


@dataclasses.dataclass
class Point:
    x: int = 1
    y: object = None


class Hostile:
    """Raises from everything that could be asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError("str")

    __repr__ = __str__


def deep(levels: int) -> list[Any]:
    top: list[Any] = []
    here = top
    for _ in range(levels):
        here.append([])
        here = here[0]
    return top


def cyclic() -> dict[str, Any]:
    data: dict[str, Any] = {"a": 1}
    data["self"] = data
    return data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ({"n": float("nan"), "i": float("inf")}, {"n": None, "i": None}),
        ({"b": b"text", "c": b"\xff\xfe"}, {"b": "text", "c": "base64://4="}),
        ({"s": "a\ud800b"}, {"s": "a\ufffdb"}),
        ({"\udfff": 1}, {"\ufffd": 1}),
        ({"t": dt.datetime(2026, 1, 2, 3, 4, 5)}, {"t": "2026-01-02T03:04:05"}),  # noqa: DTZ001
        ({"a": np.arange(3), "i": np.int64(3)}, {"a": [0, 1, 2], "i": 3}),
        ({"m": Model()}, {"m": {"q": 3}}),
        ({"d": Point()}, {"d": {"x": 1, "y": None}}),
        ({"e": Colour.RED}, {"e": "red"}),
        ({"big": 2**70}, {"big": hex(2**70)}),
        ({1: 2, (1, 2): 3}, {"1": 2, "(1, 2)": 3}),
        ({"s": {1}}, {"s": [1]}),
        (cyclic(), {"a": 1, "self": "<cycle>"}),
        ({"d": Point(y=cyclic())}, {"d": {"x": 1, "y": {"a": 1, "self": "<cycle>"}}}),
        (None, {}),
        ([1, 2], {"value": [1, 2]}),
        ("text", {"value": "text"}),
    ],
)
def test_best_form(data: Any, expected: Any) -> None:
    body, _ = encode(data)
    assert orjson.loads(body) == expected


@pytest.mark.parametrize(
    "data",
    [
        lambda: {"d": deep(10_000)},
        lambda: {"h": Hostile()},
        Hostile,
        lambda: {"big": 10**5000},
        lambda: {"f": print},
        object,
    ],
)
def test_hostile_data_becomes_an_object(data: Callable[[], Any]) -> None:
    body, _ = encode(data())
    assert isinstance(orjson.loads(body), dict)


def test_what_lies_beside_a_hostile_value_is_kept() -> None:
    body, _ = encode({"tool": "grep", "bad": Hostile(), "s": "\ud800"})
    assert orjson.loads(body)["tool"] == "grep"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.datetimes()
    | st.just(cyclic())
    | st.builds(Hostile),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters()) | st.integers() | st.binary(), inner)
        | st.builds(Point, y=inner)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


@given(anything)
def test_anything_becomes_one_line_with_an_object(data: Any) -> None:
    body, _ = encode(data)
    assert b"\n" not in body
    assert isinstance(orjson.loads(body), dict)


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**63), 2**64 - 1) | st.booleans()))
def test_what_json_can_hold_arrives_exactly(data: dict[str, Any]) -> None:
    body, exact = encode(data)
    assert exact
    assert orjson.loads(body) == data


@given(st.dictionaries(st.text(max_size=9), anything, max_size=8), st.integers(600, 20_000))
def test_cut_fits_and_can_be_proved(data: dict[str, Any], limit: int) -> None:
    body, _ = encode(data | {"filler": "x" * 20_000})
    smaller = cut(body, limit)
    note = orjson.loads(smaller)["_headrace"]["cut"]
    assert len(smaller) <= limit
    assert note["bytes"] == len(body)


def test_a_huge_event_is_cut_and_keeps_its_small_values() -> None:
    producer = InMemoryProducer(max_event_bytes=5_000)
    producer.hook(session="s").emit("tool_result", {"tool": "cat", "content": "x" * 100_000})
    (event,) = producer.events()
    assert event.data["tool"] == "cat"
    assert event.data["_headrace"]["cut"]["bytes"] > 100_000
    assert len(producer.lines()[0]) < 6_000


@given(st.text(st.characters()), st.text(st.characters()), st.text(st.characters(), min_size=1))
def test_any_context_gives_a_line_that_decodes(session: str, user: str, kind: str) -> None:
    producer = InMemoryProducer(tenant="a\ud800\n")
    producer.hook(session=session, user=user).emit(kind, {})
    event = decode(producer.lines()[0])
    assert event.tenant == "a\ufffd\n"
    assert event.session
    assert event.seq == 1
