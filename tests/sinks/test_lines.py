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
# With a seq that is fine or none: the quick walk ends well or stumbles.
objects = st.builds(
    dict[str, object],
    st.dictionaries(texts, json_values, min_size=1, max_size=4),
    seq=st.just(7),
) | st.dictionaries(texts, json_values, min_size=1, max_size=4)
separators = st.text(alphabet=" \t\r\n,;\x0b\x0c", max_size=4)


@given(objects, st.sampled_from([None, 2]), st.booleans())
def test_one_object_is_one_row_however_it_is_written(
    value: dict[str, object], indent: int, numbered: bool
) -> None:
    line = json.dumps(value, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        orjson.loads(line)
    except orjson.JSONDecodeError:
        return  # a lone surrogate: the server's constraint decides
    assert faults([line], numbered=numbered) == {}


@given(objects, separators, objects, st.booleans())
def test_two_objects_are_told(
    first: dict[str, object], between: str, second: object, numbered: bool
) -> None:
    line = json.dumps(first).encode() + between.encode() + json.dumps(second).encode()
    assert faults([line], numbered=numbered) == {0: "not one JSON object"}


@given(st.lists(st.none() | st.binary(max_size=30), max_size=5), st.booleans())
def test_any_bytes_are_judged_without_an_error(values: list[bytes | None], numbered: bool) -> None:
    assert set(faults(values, numbered=numbered)) <= set(range(len(values)))


@pytest.mark.parametrize(
    "seq", ["18446744073709551617", '"7"', "1.5", "1e3", "-1.5", "99999999999999999999999"]
)
@pytest.mark.parametrize("key", ["seq", "\\u0073eq", "s\\u0065q"])
def test_a_seq_that_the_server_would_bend_is_told(seq: str, key: str) -> None:
    bent = f'{{"a":"seq","{key}":{seq},"data":{{"seq":1}}}}'.encode()
    fine = b'{"seq":7,"data":{"seq":"7"}}'
    assert faults([fine, bent, fine], numbered=True) == {1: "seq is no whole number below 2^64"}
    assert faults([fine, bent, fine], numbered=False) == {}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1" * 5_000, "-0"])
@pytest.mark.parametrize("seq", ["1", "18446744073709551615", "18446744073709551616", '"7"'])
def test_a_number_that_json_does_not_know_is_no_fault(number: str, seq: str) -> None:
    # Another seq in it, or what looks like a second object: it is looked at closer.
    inner = f'{{"seq":"x","a":"}} {{"}},"duration_ms":{number}'
    fine = len(seq) < 3 or seq.endswith("615")
    told = {} if fine else {0: "seq is no whole number below 2^64"}
    assert faults([f'{{"seq":{seq},"data":{inner}}}'.encode()], numbered=True) == told
    assert faults([f'{{"data":{inner}}}{{}}'.encode()], numbered=False) == {
        0: "not one JSON object"
    }


@pytest.mark.parametrize("seq", [1, 2**63 - 1, 2**63, 2**64 - 1])
def test_every_seq_that_the_table_can_hold_is_fine(seq: int) -> None:
    assert faults([b'{"seq":%d}' % seq], numbered=True) == {}


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("value", [None, b""])
def test_a_tombstone_is_told(value: bytes | None, numbered: bool) -> None:
    assert faults([b'{"a":1}', value], numbered=numbered) == {1: "empty value"}


@pytest.mark.parametrize("value", [b"null", b"[]", b"1", b'"x"', b'[{"a":1}]', b'{"a":1', b"\n"])
@pytest.mark.parametrize("numbered", [True, False])
def test_what_is_not_an_object_is_told(value: bytes, numbered: bool) -> None:
    assert faults([value], numbered=numbered) == {0: "not one JSON object"}


def test_a_blank_behind_an_object_is_told_where_its_seq_is_missing() -> None:
    assert faults([b'{"a":1} '], numbered=True) == {0: "not one JSON object"}
    assert faults([b'{"a":1} ', b'{"seq":1} '], numbered=False) == {}
