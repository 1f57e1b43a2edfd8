"""No value may become more or fewer than one row."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.sinks.lines import faults

texts = st.text(max_size=8) | st.sampled_from(["}{", "},{", "} {", "\\", '"', "\n"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(texts, json_values, min_size=1, max_size=4)
separators = st.text(alphabet=" \t\r\n,;\x0b\x0c", max_size=4)


@given(objects, st.sampled_from([None, 2]))
def test_one_object_is_one_row_however_it_is_written(value: dict[str, object], indent: int) -> None:
    line = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return  # a lone surrogate: the server's constraint decides
    assert faults([line]) == {}


@given(objects, separators, objects)
def test_two_objects_are_told(first: dict[str, object], between: str, second: object) -> None:
    line = json.dumps(first).encode() + between.encode() + json.dumps(second).encode()
    assert faults([line]) == {0: "not one JSON object"}


@given(st.lists(st.none() | st.binary(max_size=30), max_size=5))
def test_any_bytes_are_judged_without_an_error(values: list[bytes | None]) -> None:
    assert set(faults(values)) <= set(range(len(values)))


@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_is_told(value: bytes | None) -> None:
    assert faults([b'{"a":1}', value]) == {1: "empty value"}


@pytest.mark.parametrize("value", [b"null", b"[]", b"1", b'"x"', b'[{"a":1}]', b'{"a":1} ', b"\n"])
def test_what_is_not_an_object_is_told(value: bytes) -> None:
    assert faults([value]) == {0: "not one JSON object"}
