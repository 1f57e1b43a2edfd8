from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.local.clickhouse import lexer
from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.lexer import QUOTED, STRING, WORD, tokens

printable = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]))


def kinds(sql: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in tokens(sql)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("file('x')", [(WORD, "file"), ("punctuation", "("), (STRING, "x"), ("punctuation", ")")]),
        ("a -- file(\nb", [(WORD, "a"), (WORD, "b")]),
        ("a # file(\nb", [(WORD, "a"), (WORD, "b")]),
        ("a #! file(\nb", [(WORD, "a"), (WORD, "b")]),
        ("a /* ' */ b", [(WORD, "a"), (WORD, "b")]),
        (r"'it\'s' 'it''s'", [(STRING, "it's"), (STRING, "it's")]),
        (r"`fi\x6ce`", [(QUOTED, "file")]),
        ('"a""b"', [(QUOTED, 'a"b')]),
        ("$q$ ' $q$ x", [(STRING, " ' "), (WORD, "x")]),
        ("1e+5 x", [("number", "1e+5"), (WORD, "x")]),
        ("0xFFp-1", [("number", "0xFFp-1")]),
        ("x--1", [(WORD, "x")]),
        ("a\u00a0b", [(WORD, "a"), (WORD, "b")]),
    ],
)
def test_reads_what_clickhouse_reads(sql: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(sql) == expected


@pytest.mark.parametrize("sql", ["'open", "`open", '"open', "/* open", "$a$ open", "é", "/* /* */"])
def test_refuses_what_it_cannot_read_for_sure(sql: str) -> None:
    with pytest.raises(ClickHouseError) as raised:
        kinds(sql)
    assert raised.value.code == 62


@given(printable)
def test_any_text_is_read_in_order_or_refused(text: str) -> None:
    try:
        found = list(tokens(text))
    except ClickHouseError:
        return
    at = 0
    for token in found:
        assert at <= token.start < token.end <= len(text)
        at = token.end


@given(printable)
def test_a_string_hides_whatever_is_in_it(content: str) -> None:
    escaped = content.replace("\\", "\\\\").replace("'", "\\'")
    assert kinds(f"'{escaped}'") == [(STRING, content)]


@given(st.sampled_from([" ", "\n", "\t", "/**/", "/* ' */", "-- '\n", "# '\n"]), st.booleans())
def test_nothing_between_name_and_parenthesis_hides_a_call(gap: str, quoted: bool) -> None:
    name = "`file`" if quoted else "file"
    found = list(tokens(f"SELECT * FROM {name}{gap}('x')"))
    at = next(i for i, token in enumerate(found) if token.text == "file")
    assert found[at + 1].text == "("


@given(
    st.lists(
        st.sampled_from(["file", "(", ")", "'", '"', "`", "\\", "--", "/*", "*/", "$$", "\n", " "])
    )
)
def test_agrees_with_a_state_machine_of_its_own(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        found = [token.text for token in tokens(text) if token.kind == WORD]
    except ClickHouseError:
        return
    assert found == words_outside(text)


def words_outside(text: str) -> list[str]:
    """Read the words that stand outside of quotes and comments, one character at a time."""
    found, word, at, mode = [], "", 0, ""
    while at <= len(text):
        rest = text[at:]
        char = rest[:1]
        step = 1
        if not mode and (re.match(r"[A-Za-z_]", char) or (word and re.match(r"[0-9$]", char))):
            word += char
            at += 1
            continue
        if word:
            found.append(word)
            word = ""
        if mode in ("'", '"', "`"):
            if char == "\\" or rest.startswith(mode * 2):
                step = 2
            elif char == mode:
                mode = ""
        elif mode == "--":
            mode = "" if char == "\n" else mode
        elif mode == "/*":
            if rest.startswith("*/"):
                mode, step = "", 2
        elif mode == "$$":
            if rest.startswith("$$"):
                mode, step = "", 2
        elif char and char in "'\"`":
            mode = char
        elif rest.startswith(("--", "/*", "$$")):
            mode, step = rest[:2], 2
        at += step
    return found


def test_positions_point_into_the_text() -> None:
    sql = "SELECT  'x' /* c */ AS y"
    assert [sql[t.start : t.end] for t in lexer.tokens(sql)] == ["SELECT", "'x'", "AS", "y"]
