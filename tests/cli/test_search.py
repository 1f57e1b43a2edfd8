"""`headrace search`: what is found, what is not, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from headrace.cli.archive import Archive
from headrace.cli.archive import connect as reading
from headrace.cli.forget.erase import erase
from headrace.cli.search import find
from headrace.cli.search.find import Scope, search
from headrace.cli.search.words import parse
from headrace.sinks.connection import connect
from headrace.streams.erasure.order import Order, mark
from tests.cli.conftest import EPOCH, START, Cli, Stack, insert, line
from tests.support import unique

Found = Callable[..., list[dict[str, Any]]]

CALL: Final = {"tool": "run_sql", "call_id": "call_0_5701fe38"}
EVENTS: Final[list[tuple[str, Any]]] = [
    ("turn_begin", {"user_message": "Where is my kettle? Order o-1041, 118.40 EUR."}),
    ("llm_call_started", {"model": "gpt-5-mini"}),
    ("thinking", {"text": "The customer wants an authen"}),
    ("thinking", {"text": "tica"}),
    ("thinking", {"text": "tion of the parcel. "}),
    ("llm_text", {"chunk": "Let me loo"}),
    ("llm_text", {"chunk": "k it up"}),
    (
        "llm_call_delta",
        {
            "added_messages": [
                {"role": "user", "content": "Where is my kettle?"},
                {
                    "role": "assistant",
                    "content": "Let me look it up",
                    "reasoning_content": "The customer wants an authentication of the parcel. ",
                },
            ]
        },
    ),
    ("tool_start", {**CALL, "args": {"query": "SELECT line\nFROM orders", "deep": [{"n": 4711}]}}),
    (
        "tool_result",
        {**CALL, "content": 'C:\\temp\\x.log said "Größe"\nnächste\tZeile', "error": None},
    ),
    ("tool_complete", {**CALL, "status": "error", "error": "rates.example: 502 Bad Gateway/EUR"}),
    ("llm_call_started", {"model": "gpt-5-mini"}),
    ("llm_text", {"chunk": "Your ket"}),
    ("llm_text", {"chunk": "tle left Leipzig."}),
    ("turn_end", {"final_text": "Your kettle left Leipzig.", "status": "ok"}),
    ("made_up", {"note": {"inner": "漢字仮名まじり文 and 🫖", "1": [["zwölf"]]}}),
    ("error", {"message": "disk is full", "detail": "OSError"}),
]


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> str:
    """A tenant with one session of each kind of text."""
    name = unique("searched")
    insert(
        stack,
        [
            line(name, "s-1", seq, kind, data, user="ann", turn=1)
            for seq, (kind, data) in enumerate(EVENTS, 1)
        ],
    )
    return name


@pytest.fixture
def found(on_stack: Cli, tenant: str) -> Found:
    """Search the tenant, return the hits."""

    def call(*args: str) -> list[dict[str, Any]]:
        ran = on_stack("search", *args, "--tenant", tenant, "--json")
        assert (ran.code, ran.err) == (0, "")
        return ran.objects

    return call


WHAT: Final[list[tuple[str, list[str]]]] = [
    ("kettle", ["turn_end", "turn_begin"]),
    ("KETTLE leipzig", ["turn_end"]),
    ("authentication", ["llm_call_delta"]),
    ("look", ["llm_call_delta"]),
    ("o-1041", ["turn_begin"]),
    ("118.40", ["turn_begin"]),
    ("from", ["tool_start"]),
    ("4711", ["tool_start"]),
    ("temp x.log", ["tool_result"]),
    ("grösse", ["tool_result"]),
    ("GRÖẞE", ["tool_result"]),
    ("größe", ["tool_result"]),
    ("Nächste", ["tool_result"]),
    ("zeile", ["tool_result"]),
    ("gateway/eur", ["tool_complete"]),
    ("call_0_5701fe38", ["tool_complete", "tool_result", "tool_start"]),
    ("漢字", ["made_up"]),
    ("字仮", ["made_up"]),
    ("まじり", ["made_up"]),
    ("🫖", ["made_up"]),
    ("zwölf", ["made_up"]),
    ("gpt-5-mini", ["llm_call_started", "llm_call_started"]),
    ('"kettle left"', ["turn_end"]),
    ('"left kettle"', []),
    ("字漢", []),
    ("1041-o", []),
    ("kett", []),
    ("authen", []),
    ("nothing-like-it", []),
    ("kettle authentication", []),
    ("status", []),
    ("null", []),
    ("args", []),
]


@pytest.mark.parametrize(("text", "types"), WHAT)
def test_what_is_found(found: Found, text: str, types: list[str]) -> None:
    assert [hit["type"] for hit in found(text)] == types


def test_scopes(found: Found) -> None:
    assert [hit["field"] for hit in found("eur")] == ["errors", "messages"]
    assert [hit["type"] for hit in found("eur", "--in", "errors")] == ["tool_complete"]
    assert [hit["type"] for hit in found("eur", "--in", "errors", "--in", "messages")] == [
        "tool_complete",
        "turn_begin",
    ]
    assert [hit["type"] for hit in found("orders", "--in", "arguments")] == ["tool_start"]
    assert [hit["type"] for hit in found("orders", "--in", "results")] == []
    assert [hit["type"] for hit in found("kettle", "--type", "turn_begin")] == ["turn_begin"]
    assert found("kettle", "--session", "s-2") == []
    assert len(found("kettle", "--user", "ann", "--session", "s-1")) == 2
    assert found("kettle", "--user", "bob") == []
    assert [hit["type"] for hit in found("kettle", "--limit", "1")] == ["turn_end"]
    assert [hit["type"] for hit in found("left kettle", "--phrase")] == []
    assert [hit["type"] for hit in found("kettle left", "--phrase")] == ["turn_end"]


def test_times(found: Found) -> None:
    # The first event is a tenth of a second after START, the turn's end 1.5 s.
    middle = "2023-11-14T22:13:21"
    assert [hit["type"] for hit in found("kettle", "--since", middle)] == ["turn_end"]
    assert [hit["type"] for hit in found("kettle", "--until", middle)] == ["turn_begin"]


def test_a_hit_says_where_it_stands(found: Found, tenant: str) -> None:
    (hit,) = found("authentication")
    begin, end = hit["marks"][0]
    assert hit["snippet"][begin:end] == "authentication"
    assert (hit["seq"], hit["turn"], hit["user"]) == (8, 1, "ann")
    assert (hit["ts"], hit["epoch"]) == (START + 0.8, EPOCH)
    assert hit["replay"] == f"headrace replay --tenant {tenant} s-1"
    (hit,) = found("8.40".replace("8", "118"))
    assert [hit["snippet"][begin:end] for begin, end in hit["marks"]] == ["118.40"]


def test_what_cannot_be_asked(on_stack: Cli) -> None:
    for text, complaint in ((" .,{}() ", "nothing to search for"), ("x" * 1001, "at most 1,000")):
        ran = on_stack("search", text)
        assert ran.code == 2
        assert complaint in ran.err


def test_tenants_stand_apart(stack: Stack, on_stack: Cli) -> None:
    word = unique("word").replace("-", "")
    one, other = unique("searched"), unique("searched")
    for name in (one, other):
        insert(stack, [line(name, "s", 1, "turn_begin", {"user_message": f"{word} {name}"})])
    hits = on_stack("search", word, "--json").objects
    assert {hit["tenant"] for hit in hits} == {one, other}
    (hit,) = on_stack("search", word, "--tenant", one, "--json").objects
    assert hit["tenant"] == one


def test_an_event_that_came_twice_is_one_hit(stack: Stack, on_stack: Cli) -> None:
    tenant = unique("searched")
    own = {"role": "assistant", "content": "it is told twice"}
    lines = [
        line(tenant, "s", 1, "turn_begin", {"user_message": "twice told"}),
        line(tenant, "s", 2, "turn_end", {"final_text": "it is told twice"}),
        line(tenant, "s", 3, "llm_call_delta", {"added_messages": [own]}),
        line(tenant, "s", 4, "turn_begin", {"user_message": "twice told"}),
    ]
    for part in (lines[:2], lines, lines[1:]):
        insert(stack, part)
    hits = on_stack("search", "told twice", "--tenant", tenant, "--json").objects
    assert [hit["seq"] for hit in hits] == [4, 3, 1]


def test_parts_with_and_without_the_index_answer_alike(stack: Stack) -> None:
    tenant = unique("searched")
    lines = [line(tenant, "s", seq, kind, data) for seq, (kind, data) in enumerate(EVENTS, 1)]
    client = connect(stack.writer)
    indexed = (
        "SELECT min(secondary_indices_compressed_bytes), max(secondary_indices_compressed_bytes)"
        " FROM system.parts WHERE active AND table = 'events_raw' AND name IN"
        f" (SELECT DISTINCT _part FROM headrace.events_raw WHERE tenant = '{tenant}')"
    )

    def check(archive: Archive) -> Any:
        for text, types in WHAT:
            hits = search(archive, parse(text), Scope(tenant=tenant), 100).hits
            assert [hit.type for hit in hits] == types, text
        return client.query(indexed).result_rows[0]

    client.command("SYSTEM STOP MERGES headrace.events_raw")
    try:
        with reading(stack.settings) as archive:
            insert(stack, lines[:9])
            client.command("SYSTEM START MERGES headrace.events_raw")
            client.command("OPTIMIZE TABLE headrace.events_raw FINAL")
            client.command("SYSTEM STOP MERGES headrace.events_raw")
            insert(stack, lines[9:])
            least, most = check(archive)
            assert least == 0 < most
            client.command("SYSTEM START MERGES headrace.events_raw")
            client.command("OPTIMIZE TABLE headrace.events_raw FINAL")
            least, _ = check(archive)
            assert least > 0
    finally:
        client.command("SYSTEM START MERGES headrace.events_raw")
        client.close()


def test_the_index_answers_alone(stack: Stack) -> None:
    """An expression that ClickHouse takes for another than the index's would read all events."""
    client = connect(stack.writer)
    plan = client.query(
        "EXPLAIN actions = 1 SELECT ts FROM headrace.events_raw WHERE hasAllTokens(words, 'kettle')"
    ).result_rows
    client.close()
    assert any("__text_index_by_words" in text for (text,) in plan)
    assert not any("Output: data" in text or ", data" in text for (text,) in plan)


def test_words_that_stand_apart_and_phrases_among_many(stack: Stack, on_stack: Cli) -> None:
    """More events with the words than are read at first, and the one that fits is the oldest."""
    tenant = unique("searched")
    apart = {"tool": "far", "args": {"a": "off"}}
    lines = [line(tenant, "s", 1, "turn_begin", {"user_message": "it is far off"})]
    lines += [line(tenant, "s", seq, "tool_start", apart) for seq in range(2, 100)]
    lines += [line(tenant, "s", n, "turn_end", {"final_text": "off, far"}) for n in range(100, 130)]
    insert(stack, lines)
    for args in (("far off", "--phrase"), ("far off is",)):
        hits = on_stack("search", *args, "--tenant", tenant, "--limit", "1", "--json").objects
        assert [hit["seq"] for hit in hits] == [1]


def test_each_hit_is_found_once_however_many_are_looked_at(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hits among many others, whose times are the same by the dozen."""
    tenant = unique("searched")
    texts = {seq: "far off" if seq % 11 == 0 else "off, far" for seq in range(1, 601)}
    lines = [
        line(tenant, "s", seq, "turn_end", {"final_text": text}, ts=START + seq // 12)
        for seq, text in texts.items()
    ]
    for part in (lines[::2], lines[1::2]):
        insert(stack, part)
    wanted = {seq for seq, text in texts.items() if text == "far off"}
    newest = sorted((seq // 12 for seq in wanted), reverse=True)

    def found(limit: int) -> bool:
        result = search(archive, parse("far off", phrase=True), Scope(tenant=tenant), limit)
        seqs = [hit.seq for hit in result.hits]
        assert len(set(seqs)) == len(seqs)
        assert set(seqs) <= wanted
        assert [seq // 12 for seq in seqs] == newest[: len(seqs)]
        assert len(seqs) == min(limit, len(wanted)) or not result.everything
        return result.everything

    with reading(stack.settings) as archive:
        assert all(found(limit) for limit in (1, 3, 7, 20, 54, 100, 500, 1_000))
        monkeypatch.setattr(find, "MOST", 40)
        assert found(1)
        assert not found(500)


def test_a_server_without_the_memory_is_told_in_one_line(
    on_stack: Cli, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(find, "MEMORY", 1_000)
    ran = on_stack("search", "kettle", "--tenant", tenant)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("headrace: too much to look through within 20 s")
    assert len(ran.err.splitlines()) == 1


def test_what_was_found_before_the_server_gave_up_is_shown(
    stack: Stack, on_stack: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = find._Query.newest

    def first_only(query: find._Query, rows: int, skipped: int) -> Any:
        if skipped:
            raise find.TooMuchError("as a busy server says")
        return newest(query, rows, skipped)

    monkeypatch.setattr(find._Query, "newest", first_only)
    tenant = unique("searched")
    lines = [
        line(tenant, "s", seq, "tool_start", {"tool": "far", "args": {"a": "off"}})
        for seq in range(1, 61)
    ]
    lines += [line(tenant, "s", n, "turn_end", {"final_text": "far off"}) for n in range(61, 64)]
    insert(stack, lines)
    ran = on_stack("search", "far off", "--limit", "5", "--tenant", tenant)
    assert ran.code == 0
    assert ran.out.count("far off") == 3
    assert "only the newest were looked through" in ran.err


def test_escapes_of_other_producers(stack: Stack, on_stack: Cli) -> None:
    tenant = unique("searched")
    texts = [
        r'{"user_message":"caf\u00e9 \ud83e\uded6 line\nbreak \u0022quoted\u0022"}',
        r'{"user_message":"half \ud83e pair, yet readable"}',
        r'{"big":1e400,"user_message":"unlimited"}',
        r'{"a.b":1,"a":{"b":"doubled"},"a":"again"}',
        r'{"args":{"pretty" : "printed", "n":[1,2,{"x":null}]}}',
        r'{"args":"{\"inner\": \"\\u00e9crou\\nC:\\\\temp x\\ud80c\\udd9ay \\\\d\"}"}',
    ]
    empty = b'"data":{}'
    lines = [
        line(tenant, f"s-{n}", 1, "turn_begin", {}).replace(empty, b'"data":' + text.encode())
        for n, text in enumerate(texts)
    ]
    insert(stack, lines)
    for word, session in (
        ("café", 0),
        ("CAFE\u0301", 0),
        ("🫖", 0),
        ("break", 0),
        ("quoted", 0),
        ("readable", 1),
        ("unlimited", 2),
        ("doubled", 3),
        ("again", 3),
        ("printed", 4),
        ("écrou", 5),
        ("temp", 5),
        ("x𓆚y", 5),
    ):
        hits = on_stack("search", word, "--tenant", tenant, "--json").objects
        assert [hit["session"] for hit in hits] == [f"s-{session}"], word


def test_hostile_text_is_harmless(stack: Stack, on_stack: Cli) -> None:
    tenant = unique("searched")
    message = "\x1b]0;owned\x07 hostile \u202etxt\u200b[red]bold[/red] \x1b[2J"
    session = "s;\x1b[31m$(reboot)"
    insert(stack, [line(tenant, session, 1, "turn_begin", {"user_message": message})])
    for args in ((), ("--json",)):
        ran = on_stack("search", "hostile", "--tenant", tenant, *args)
        assert ran.code == 0
        assert "hostile" in ran.out
        assert ran.out.replace("\n", "").isprintable()
        assert "'s;" in ran.out


def test_printed_for_people(on_stack: Cli, tenant: str) -> None:
    ran = on_stack("search", "kettle", "--tenant", tenant)
    assert ran.out.splitlines() == [
        f"s-1 of ann, tenant {tenant}   headrace replay --tenant {tenant} s-1",
        "  2023-11-14 22:13:21  turn 1  turn_end, messages",
        "      Your kettle left Leipzig.",
        "  2023-11-14 22:13:20  turn 1  turn_begin, messages",
        "      Where is my kettle? Order o-1041, 118.40 EUR.",
    ]
    assert on_stack("search", "nowhere", "--tenant", tenant).out.startswith("nothing found")


def test_what_was_erased_is_gone_for_good(stack: Stack, on_stack: Cli) -> None:
    tenant, salt = unique("searched"), bytes(16)
    lines = [
        line(tenant, f"s-{user}", 1, "turn_begin", {"user_message": "my iban"}, user=user)
        for user in ("ann", "bob")
    ]
    insert(stack, lines)
    writer = connect(stack.writer)
    writer.command("OPTIMIZE TABLE headrace.events_raw FINAL")
    writer.close()
    user, session = mark(salt, "user", tenant, "ann"), mark(salt, "session", tenant, "s-ann")
    order = Order("f-1", tenant, salt, user, frozenset({session}), START)
    with reading(replace(stack.settings, clickhouse=stack.writer)) as client:
        erase(client, order, None, lambda _: None)
    insert(stack, [line(tenant, "s-bob", 2, "turn_begin", {"user_message": "his iban"})])
    hits = on_stack("search", "iban", "--tenant", tenant, "--json").objects
    assert [(hit["session"], hit["seq"]) for hit in hits] == [("s-bob", 2), ("s-bob", 1)]


WORD: Final = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "So"), max_codepoint=0x1FAFF),
    min_size=1,
    max_size=12,
)
PLACES: Final[dict[str, Callable[[str], Any]]] = {
    "turn_begin": lambda text: {"user_message": text},
    "turn_end": lambda text: {"final_text": "ok", "error": text},
    "tool_start": lambda text: {"tool": "t", "args": {"a": [{"b": text}], "n": 1}},
    "tool_result": lambda text: {"tool": "t", "content": json.dumps({"told": text})},
    "llm_call_completed": lambda text: {"error_message": text, "status": "error"},
    "never_heard_of": lambda text: {"list": ["x", [text]]},
}


@given(
    planted=st.lists(
        st.tuples(st.sampled_from([*PLACES]), WORD, st.text(max_size=20)),
        min_size=30,
        max_size=60,
    )
)
@settings(max_examples=3, phases=[Phase.generate])  # each asks much
def test_any_word_planted_in_any_text_is_found(
    stack: Stack, planted: list[tuple[str, str, str]]
) -> None:
    """Asked as it stands there, among whatever else."""
    tenant = unique("planted")
    lines: list[bytes] = []
    for number, (kind, word, other) in enumerate(planted):
        data = PLACES[kind](f"{other} {word} {other}")
        lines.append(line(tenant, f"s-{number}", 1, kind, data))
    insert(stack, lines)
    with reading(stack.settings) as client:
        for number, (_, word, _) in enumerate(planted):
            hits = search(client, parse(word), Scope(tenant=tenant), 1_000).hits
            assert f"s-{number}" in {hit.session for hit in hits}, word
