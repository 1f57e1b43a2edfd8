from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.cli.replay.diff.align import SLICE, Key, Pair, _Aligner, align

KEYS = st.lists(st.builds(Key, st.integers(0, 2), st.integers(0, 3)), max_size=40)
LONG = st.lists(st.builds(Key, st.integers(0, 1), st.just(0)), min_size=SLICE, max_size=3 * SLICE)


def assert_whole(left: list[Key], right: list[Key], pairs: list[Pair]) -> None:
    assert [i for i, _ in pairs if i is not None] == list(range(len(left)))
    assert [j for _, j in pairs if j is not None] == list(range(len(right)))
    for i, j in pairs:
        assert i is not None or j is not None
        if i is not None and j is not None:
            assert left[i].kind == right[j].kind


@given(KEYS, KEYS)
def test_every_place_stands_once_and_in_order(left: list[Key], right: list[Key]) -> None:
    assert_whole(left, right, align(left, right))


@settings(max_examples=20)
@given(LONG, LONG)
def test_what_is_sliced_is_whole_too(left: list[Key], right: list[Key]) -> None:
    assert_whole(left, right, align(left, right))


@given(KEYS)
def test_a_sequence_is_the_same_as_itself(keys: list[Key]) -> None:
    assert align(keys, keys) == [(at, at) for at in range(len(keys))]


@given(KEYS, KEYS, KEYS)
def test_what_was_put_in_is_found(before: list[Key], new: list[Key], after: list[Key]) -> None:
    strange = [key._replace(kind="new") for key in new]
    pairs = align(before + after, before + strange + after)
    assert [i for i, j in pairs if j is None] == []
    assert [j for i, j in pairs if i is None] == [len(before) + at for at in range(len(new))]


def keys(text: str) -> list[Key]:
    """A capital letter is another whole of the same kind."""
    return [Key(letter.lower(), letter) for letter in text]


def test_what_belongs_together_is_paired() -> None:
    def beside(left: str, right: str) -> str:
        return " ".join(
            ("-" if i is None else left[i]) + ("-" if j is None else right[j])
            for i, j in align(keys(left), keys(right))
        )

    assert beside("abc", "aBc") == "aa bB cc"
    assert beside("abcd", "acd") == "aa b- cc dd"
    assert beside("aXc", "axyc") == "aa Xx -y cc"
    assert beside("aaab", "ab") in {"aa a- a- bb", "a- a- aa bb"}
    assert beside("abcde", "xbydz") in {"a- -x bb c- -y dd e- -z", "-x a- bb -y c- dd -z e-"}


def test_ten_thousand_that_all_look_alike_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop of one call against another: nothing stands once, nothing is the same."""
    left = [Key("tool", number % 2) for number in range(10_000)]
    right = [Key("tool", 2 + number % 2) for number in range(9_000)]
    looked = 0
    likeness = _Aligner._likeness

    def counted(self: _Aligner, i: int, j: int) -> int:
        nonlocal looked
        looked += 1
        return likeness(self, i, j)

    monkeypatch.setattr(_Aligner, "_likeness", counted)
    pairs = align(left, right)
    assert_whole(left, right, pairs)
    assert sum(i is not None and j is not None for i, j in pairs) == 9_000
    assert looked <= len(left) * (SLICE + 2)
