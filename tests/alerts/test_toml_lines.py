from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.rules import loads
from headrace.streams.alerts.tables import RulesError
from headrace.streams.alerts.toml_lines import lines_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = '''# one
a = 1
"b c".d = """
not = "this"
[[nor]]
"""
[x.y]   # a comment with "quotes
k = [ 1, # two
  "]", \'[\', { m = 1, "n" = [
     2 ] } ]
[[t]]
u = \'\'\'
'\'\'\'
v = {}
[[t]]
[t.w]
z = 1979-05-27T07:32:00Z
[[t.s]]
q = "a\\"b"
[[t.s]]
q = 0.5
'''


def paths(data: Any, at: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {at}
    items = data.items() if isinstance(data, dict) else enumerate(data)
    if isinstance(data, (dict, list)):
        for key, value in items:
            found |= paths(value, (*at, key)) if isinstance(value, (dict, list)) else {(*at, key)}
    return found


def test_every_key_and_element_has_a_line() -> None:
    lines = lines_of(TEXT)
    assert paths(tomllib.loads(TEXT)) == set(lines)
    assert lines["b c", "d"] == 3
    assert lines["x", "y", "k"] == 8
    assert lines["x", "y", "k", 3, "n", 0] == 10
    assert (lines["t", 0, "v"], lines["t", 1], lines["t", 1, "w", "z"]) == (14, 15, 17)
    assert (lines["t", 1, "s", 0, "q"], lines["t", 1, "s", 1, "q"]) == (19, 21)


KEYS = st.text("ab.\"'\\é \t", max_size=4)
STRINGS = st.text("ab\"'\\\n#[]{},=é", max_size=8)


def quoted(text: str) -> str:
    for char, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(char, escaped)
    return f'"{text}"'


def written(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[ " + ",\n".join(map(written, value)) + " # ]\n ]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {written(v)}" for k, v in value.items()) + "}"
    return repr(value).lower()


VALUES = st.recursive(
    STRINGS | st.integers(-9, 9) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, st.integers(0, 9), max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=4))
def test_lines_of_any_file(tables: list[dict[str, Any]]) -> None:
    text = ""
    expected: dict[tuple[str | int, ...], int] = {}
    for number, table in enumerate(tables):
        expected["t", number] = text.count("\n") + 1
        text += "[[t]]\n"
        for key, value in table.items():
            expected["t", number, key] = text.count("\n") + 1
            text += f"{quoted(key)} = {written(value)}\n"
    lines = lines_of(text)
    assert {path: lines[path] for path in expected} == expected
    assert paths(tomllib.loads(text)) == set(lines)


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n", "[[rule]]"])
def test_little_is_no_trouble(text: str) -> None:
    assert lines_of(text)[()] == 1


@given(st.text(max_size=60) | st.text("[]{}=.\"'#\n ,ab1", max_size=40))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(RulesError):
        loads(text)
