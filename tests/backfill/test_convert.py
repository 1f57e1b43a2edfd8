"""Lines become envelopes: identities are made of the file's content alone."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from headrace.cli.backfill import reading
from headrace.cli.backfill.convert import Converted, Converter
from headrace.cli.backfill.letters import BEYOND, letter, place_of
from headrace.cli.backfill.reading import Long, TruncatedFileError, blocks, unpacked
from headrace.cli.faults import CommandError
from headrace.events.envelope import decode, split_prefix
from headrace.events.settings import Settings
from headrace.streams.dead_letters import WHOLE

_MOST = 900_000
_GOOD = st.builds(
    lambda session, number, kind, text: {
        "ts": 1_700_000_000 + number / 7,
        "session": session,
        "tenant": "acme",
        "type": kind,
        "data": {"text": text, ',"seq":': 1},
    },
    st.sampled_from(["s-1", "s-2", "s-ü", 's-"3']),
    st.integers(0, 3),
    st.sampled_from(["turn_begin", "turn_end", "llm_text", "odd \u2028 type"]),
    st.text(max_size=8),
)
_LINES = st.one_of(
    _GOOD.map(lambda event: json.dumps(event).encode()),
    _GOOD.map(lambda event: json.dumps(event, ensure_ascii=False).encode()),
    _GOOD.map(orjson.dumps),
    st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b"")),
    st.sampled_from([b"", b"  ", b"[]", b'{"ts":1}', b'{"ts":1e999,"session":"s","data":{}}']),
)


class InPieces(io.RawIOBase):
    """A file that gives as little at once as it likes."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self._content = io.BytesIO(content)
        self._sizes = sizes

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(min(size, self._sizes.pop() if self._sizes else size))

    def peek(self, size: int) -> bytes:
        return self._content.getvalue()[:size]


def converted(content: bytes, sizes: list[int] | None = None) -> Converted:
    whole = Converted()
    converter = Converter("acme", _MOST)
    for block in blocks(unpacked(InPieces(content, sizes or []))):  # type: ignore[arg-type]
        done = converter.convert(block.lines)
        whole.events += done.events
        whole.bad += done.bad
        whole.passed_over += done.passed_over
    return whole


@given(st.lists(_LINES, max_size=20), st.lists(st.integers(1, 60), max_size=30), st.booleans())
def test_any_content_read_in_any_pieces(lines: list[bytes], sizes: list[int], ended: bool) -> None:
    content = b"\n".join(lines) + b"\n" * ended
    whole = converted(content)
    assert converted(content, sizes) == whole
    assert converted(gzip.compress(content)) == whole
    assert converted(zstd.compress(content)) == whole
    numbers: dict[tuple[str, str], list[int]] = {}
    for event in whole.events:
        found = decode(event)
        prefix, seq = split_prefix(event)
        assert (orjson.loads(prefix + b"}")["session"], seq) == (found.session, found.seq)
        numbers.setdefault((found.session, found.epoch), []).append(found.seq)
    assert len({session for session, _ in numbers}) == len(numbers)
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in numbers.values())
    count = len(content.removesuffix(b"\n").split(b"\n")) if content else 0
    assert len(whole.events) + len(whole.bad) + whole.passed_over == count


@given(st.lists(_GOOD, min_size=1, max_size=12), st.integers(0, 12))
def test_a_file_that_grew_gives_the_same_and_more(events: list[Any], cut: int) -> None:
    lines = [json.dumps(event).encode() + b"\n" for event in events]
    before, after = converted(b"".join(lines[:cut])), converted(b"".join(lines))
    assert after.events[: len(before.events)] == before.events


@given(_GOOD)
def test_what_was_written_is_kept(event: Any) -> None:
    line = json.dumps(event).encode()
    (sent,) = converted(line).events
    found = decode(sent)
    assert (found.ts, found.session, found.type) == (event["ts"], event["session"], event["type"])
    assert found.data == event["data"]
    # The text of data, too: it is compared by its bytes downstream.
    assert json.dumps(event["data"]).encode() in sent


@given(_GOOD, st.integers(1, 2**63 - 1), st.booleans(), st.booleans())
def test_our_own_keep_their_identity(event: Any, seq: int, ours: bool, more: bool) -> None:
    names = {"v": 1, "tenant": "acme", "session": event["session"], "user": "u", "epoch": "e" * 16}
    rest = {"turn": 2, "ts": event["ts"], "duration_ms": 1.5, "type": event["type"]}
    whole = (
        names | {"seq": seq} | rest | {"data": event["data"]} | ({"further": [1]} if more else {})
    )
    line = orjson.dumps(whole) if ours else json.dumps(dict(reversed(whole.items()))).encode()
    (sent,) = converted(line).events
    assert orjson.loads(sent) == orjson.loads(line)
    assert split_prefix(sent)[1] == seq
    if ours and not more:
        assert sent == line


def test_what_a_line_without_an_identity_says_beyond_the_seeds_fields_is_kept() -> None:
    seed = {"ts": 1.5, "session": "s", "tenant": "acme", "data": {"a": 1}}
    more = {"user": "u-1", "agent": "main", "trace": "00-1", "turn": 7, "duration_ms": 2.5}
    lines = [
        seed | {"type": "turn_begin"} | more,
        seed | {"type": "x"},
        seed | {"type": "y", "user": "u-1"},
        seed | {"type": "turn_end", "duration_ms": 0.0},
        seed | {"type": "turn_begin", "user": "u-2", "further": [1]},
        seed | {"type": "z"},
    ]
    sent = converted(b"\n".join(map(orjson.dumps, lines))).events
    found = [orjson.loads(event) for event in sent]
    turns = [{"turn": turn} for turn in (7, 7, 7, 7, 8, 8)]
    epoch = found[0]["epoch"]
    identity = [{"v": 1, "epoch": epoch, "seq": number} for number in range(1, 7)]
    assert found == [a | b | c for a, b, c in zip(turns, lines, identity, strict=True)]
    assert [split_prefix(event)[1] for event in sent] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("depth", [300, 1000, 1020])
@pytest.mark.parametrize("name", ["data", "further"])
def test_a_line_that_is_nested_deep_stops_nothing(depth: int, name: str) -> None:
    deep = b'{"x":' * depth + b"1" + b"}" * depth
    line = b'{"ts":1,"session":"s","type":"x","data":{},"%b":%b}' % (name.encode(), deep)
    whole = converted(b'{"ts":1,"session":"s","type":"x","data":{}}\n' + line)
    assert len(whole.events) + len(whole.bad) == 2


def test_a_deep_line_that_is_too_large_keeps_its_identity() -> None:
    deep = b"[" * 300 + b"]" * 300
    line = b'{"ts":1,"session":"s","type":"x","data":{"x":%b,"y":"%b"}}' % (deep, b"z" * _MOST)
    (event,) = converted(line).events
    assert len(event) <= _MOST
    assert decode(event).session == "s"


def test_a_hostile_prefix_is_not_believed() -> None:
    line = (
        b'{"v":1,"tenant":"acme","session":"mine","epoch":"e","seq":1,"ts":1,"type":"x","data":{},'
        b'"session":"yours"}'
    )
    (sent,) = converted(line).events
    assert orjson.loads(split_prefix(sent)[0] + b"}")["session"] == "yours"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"oops", "not JSON"),
        (b'{"ts":1,"session":"s","type":"x","data":{"a":"\xff"}}', "not UTF-8"),
        (b'{"session":"s","type":"x","data":{}}', "ts is missing"),
        (b'{"ts":-1,"session":"s","type":"x","data":{}}', "ts is not in seconds"),
        (b'{"ts":true,"session":"s","type":"x","data":{}}', "ts is not in seconds"),
        (b'{"ts":1,"session":"","type":"x","data":{}}', "session is no text, or empty"),
        (b'{"ts":1,"session":"s","type":"x","data":[]}', "data is not an object"),
        (b'{"ts":1,"session":"s","type":"x","data":{},"seq":1}', "an identity needs both"),
        (b'{"ts":1,"session":"s","type":"x","data":{},"seq":0,"epoch":"e"}', "seq is no whole"),
        (b'{"ts":1,"session":"s","type":"x","data":{},"user":7}', "a field has the wrong type"),
        (
            b'{"event_id":"1","session_id":"s","instance_id":"i","kind":[],"payload":{}}',
            "recording",
        ),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_bad_lines_say_why(line: bytes, why: str) -> None:
    (bad,) = converted(b"\n" + line).bad
    assert bad.number == 2
    assert why in bad.reason


def test_a_line_without_a_tenant_needs_one() -> None:
    line = b'{"ts":1,"session":"s","tenant":null,"type":"x","data":{}}'
    assert decode(converted(line).events[0]).tenant == "acme"
    with pytest.raises(CommandError, match="--tenant"):
        Converter(None, _MOST).convert([line])


def test_endless_lines_are_read_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_LINE", 100_000)
    good = b'{"ts":1,"session":"s","type":"x","data":{}}'
    content = good + b"\n" + b"x" * 3_000_000 + b"\n" + good + b"\n" + b"y" * 700_000
    whole = converted(content)
    assert len(whole.events) == 2
    assert [(bad.number, bad.line.size) for bad in whole.bad if isinstance(bad.line, Long)] == [
        (2, 3_000_000),
        (4, 700_000),
    ]
    ends = [block.end for block in blocks(io.BufferedReader(io.BytesIO(content)))]
    assert ends[-1] >= len(content)


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_truncated_archives_are_told_and_read_so_far(pack: Any) -> None:
    lines = [b'{"ts":%d,"session":"s","type":"x","data":{}}' % n for n in range(50_000)]
    packed = pack(b"\n".join(lines))
    content = packed[: len(packed) * 2 // 3]
    found: list[Any] = []
    reader = blocks(unpacked(InPieces(content, [])))  # type: ignore[arg-type]
    with pytest.raises(TruncatedFileError, match="ends in the middle"):
        found.extend(reader)
    read = [line for block in found for line in block.lines]
    assert read[:-1] == lines[: len(read) - 1]
    assert len(read) > 100


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_what_stands_before_the_damage_of_a_small_archive_is_read(pack: Any) -> None:
    lines = [b'{"ts":%d,"session":"s","type":"x","data":{}}\n' % n for n in range(500)]
    found: list[Any] = []
    reader = blocks(unpacked(InPieces(pack(b"".join(lines)) + b"rubbish", [])))  # type: ignore[arg-type]
    with pytest.raises(TruncatedFileError, match="is damaged"):
        found.extend(reader)
    assert [line for block in found for line in block.lines] == [line.rstrip() for line in lines]


def test_a_byte_order_mark_before_the_first_line_changes_nothing() -> None:
    content = b'{"ts":1,"session":"s","type":"x","data":{}}\n' * 2
    assert converted(b"\xef\xbb\xbf" + content).events == converted(content).events
    assert len(converted(content + b"\xef\xbb\xbf" + content).bad) == 1


def test_a_bad_line_has_one_place_whatever_its_file_is_called() -> None:
    (bad,) = converted(b"oops\r").bad
    assert place_of(bad, b"f") == place_of(bad._replace(line=b"oops"), b"f")
    assert place_of(bad, b"f") != place_of(bad._replace(number=2), b"f")
    assert BEYOND <= place_of(bad, b"f") < 2**63


def test_where_events_are_scrubbed_nothing_of_a_bad_line_is_kept(tmp_path: Path) -> None:
    (bad,) = converted(b"my secret").bad
    settings = Settings(tmp_path, scrub=tmp_path / "scrub.toml")
    value, headers = letter(bad, name="f", file=b"f", settings=settings)
    assert value is None
    assert dict(headers)[WHOLE] == b"9"
    assert b"secret" not in b"".join(word for _, word in headers)
    value, _ = letter(bad, name="f", file=b"f", settings=Settings(tmp_path))
    assert value == b"my secret"


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize(
    "took", ["1e400", "-1e400", "-0.0", "1E5", "1" + "0" * 400, '"nan"', "null"]
)
def test_a_duration_is_kept_as_it_is_written(took: str, ours: bool) -> None:
    begin = '{"v":1,"tenant":"acme","session":"s","epoch":"e","seq":1,"ts":5.0'
    line = f'{begin},"duration_ms":{took},"type":"x","data":{{}}}}'
    if not ours:
        line = f'{{"duration_ms":{took},{begin[1:]},"type":"x","data":{{}}}}'
    (sent,) = converted(line.encode()).events
    left_out = took == "null" and not ours
    assert (f'"duration_ms":{took},' in sent.decode()) is not left_out


@pytest.mark.parametrize("took", ["NaN", "Infinity", '"1"', '"x"', "true", "[]", "{}", "1e", "01"])
def test_a_duration_that_is_no_number_is_refused(took: str) -> None:
    for names in ("", '"tenant":"acme","epoch":"e","seq":1,'):
        line = f'{{{names}"session":"s","ts":5.0,"type":"x","duration_ms":{took},"data":{{}}}}'
        done = converted(line.encode())
        assert (len(done.bad), done.events) == (1, [])
