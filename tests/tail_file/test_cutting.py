"""Whatever a file holds and however it is read: the same records, with the same ends."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.tail_file import cutting, formats
from headrace.cli.tail_file.cutting import Cutter, Raw

_LINES = st.sampled_from(
    [
        b"12:00:00.123 hello",
        b"12:00:01.000 ",
        b"Traceback (most recent call last):",
        b'  File "x.py", line 1',
        b"",
        b"\xff\xfe\r",
        b"23:59:59.999 last",
    ]
)


def begins(line: bytes) -> bool:
    return formats.begins(line, formats.AGENTAO)


def cut(content: bytes, cuts: list[int]) -> list[Raw]:
    cutter, found, at = Cutter(begins, 0), [], 0
    for end in [*sorted(cuts), len(content)]:
        found += list(cutter.feed(content[at:end]))
        at = max(at, end)
    return found + list(cutter.flush(partial=True))


@given(st.lists(_LINES, max_size=12), st.booleans(), st.data())
def test_any_cut_gives_the_same_records(
    lines: list[bytes], ended: bool, data: st.DataObject
) -> None:
    content = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    cuts = data.draw(st.lists(st.integers(0, len(content)), max_size=8))
    whole = cut(content, [])
    assert cut(content, cuts) == whole
    # Nothing is lost: the records' texts, at their places, are the file.
    assert [raw.end for raw in whole][-1:] == [len(content)] * bool(content)
    start = 0
    for raw in whole:
        assert content[start : raw.end].removesuffix(b"\n") == raw.text
        assert raw.size == raw.end - start
        start = raw.end


@given(st.lists(_LINES, min_size=1, max_size=12), st.data())
def test_beginning_at_a_records_end_gives_the_rest(lines: list[bytes], data: st.DataObject) -> None:
    content = b"\n".join(lines) + b"\n"
    whole = cut(content, [])
    number = data.draw(st.integers(0, len(whole) - 1))
    cutter = Cutter(begins, whole[number].end)
    rest = [*cutter.feed(content[whole[number].end :]), *cutter.flush(partial=True)]
    assert rest == whole[number + 1 :]


def test_a_record_without_end_is_kept_in_bounded_memory() -> None:
    cutter = Cutter(begins, 0)
    assert list(cutter.feed(b"12:00:00.000 ")) == []
    for _ in range(40):
        assert list(cutter.feed(b"x" * 100_000)) == []
        assert list(cutter.feed(b"y\nz")) == []
    assert len(cutter._line) + cutter._kept <= cutting.MAX_RECORD + 200_000
    (raw,) = cutter.flush(partial=True)
    assert raw.size == 13 + 40 * 100_003
    assert len(raw.text) <= cutting.MAX_RECORD + 100


def test_an_unfinished_line_is_waited_for() -> None:
    cutter = Cutter(begins, 0)
    assert list(cutter.feed(b"12:00:00.000 a\n12:00:01.000 b")) == []
    assert list(cutter.flush(partial=False)) == []
    first, second = [*cutter.feed(b"c\n"), *cutter.flush(partial=False)]
    assert (first.text, second.text) == (b"12:00:00.000 a", b"12:00:01.000 bc")
