from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.text import one_line, safe_json, safe_text

ANY_TEXT = st.text(st.characters())  # every code point, lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
)


@given(ANY_TEXT)
def test_nothing_that_drives_a_terminal_is_left(text: str) -> None:
    for character in safe_text(text):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@given(ANY_TEXT)
def test_newlines_let_line_feeds_and_tabs_through_and_nothing_else(text: str) -> None:
    safe = safe_text(text, newlines=True)
    assert safe.count("\n") == text.count("\n")
    assert safe.count("\t") == text.count("\t")
    rest = safe.replace("\n", "").replace("\t", "")
    assert rest == safe_text(rest)
    safe.encode("utf-8")


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters="ᅠㅤﾠᅟ")))
def test_visible_text_of_any_script_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        (
            "\x1b]8;;http://evil\x07click\x1b]8;;\x07",
            "\\x1b]8;;http://evil\\x07click\\x1b]8;;\\x07",
        ),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202egnp.exe", "user\\u202egnp.exe"),
        ("\u2066\u2069", "\\u2066\\u2069"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\U000e0100", "\\U000e0100"),
        ("\u3164", "\\u3164"),
        ("\ud800", "\\ud800"),
        ("a\r\nb\tc", "a\\x0d\\nb\\tc"),
        ("[red]no markup[/red]", "[red]no markup[/red]"),
    ],
)
def test_what_agents_try(hostile: str, shown: str) -> None:
    assert safe_text(hostile) == shown


def test_a_limit_says_what_it_left_out() -> None:
    assert safe_text("x" * 1_500, limit=10) == "x" * 10 + " … (1,490 more characters)"
    assert safe_text("x" * 10, limit=10) == "x" * 10


def test_one_line_folds_a_librarys_message() -> None:
    assert one_line("Code: 62.\n  Syntax\terror\n") == "Code: 62. Syntax error"


@given(JSON)
def test_json_is_printable_ascii_and_exact(value: object) -> None:
    encoded = safe_json(value)
    assert encoded.isascii()
    assert encoded.isprintable()
    assert json.loads(encoded) == value


def test_json_has_no_word_for_the_infinite() -> None:
    assert json.loads(safe_json({"a": [float("inf"), 1.5]})) == {"a": ["inf", 1.5]}
