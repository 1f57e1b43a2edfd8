"""The scrubber: bytes in, bytes out."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.streams.scrub import scrubber as module
from headrace.streams.scrub.event import Tally
from headrace.streams.scrub.tokens import UnreadableError, members, split
from tests.scrub.planted import FOUND, LETTERS
from tests.scrub.support import (
    KEY,
    detecting,
    envelope,
    event,
    scrubbed,
    scrubber,
    without_hints,
)

ALL = detecting("secrets", "card", "iban", "email", "phone", "ip")
PSEUDONYMS = scrubber(
    """
[[rule]]
name = "email"
paths = ["user", "data.**.email", "data.items.*.owner"]
action = "pseudonym"
[[rule]]
detect = ["email"]
action = "pseudonym"
[[rule]]
name = "named"
paths = ["data.**.password", "data.args.secret"]
[[rule]]
detect = ["card"]
action = "mask"
"""
)
PLANTS = [one.text for some in FOUND.values() for one in some]

texts = st.one_of(
    st.text(max_size=20),
    st.sampled_from(PLANTS),
    st.tuples(st.text(max_size=5), st.sampled_from(PLANTS), st.text(max_size=5)).map("".join),
)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def written(fields: Any, draw_ascii: bool, indent: int | None) -> bytes:
    text = json.dumps(fields, ensure_ascii=draw_ascii, indent=indent)
    return text.encode("utf-8", "surrogatepass")


@given(data=st.dictionaries(texts, values, max_size=4), plain=st.booleans(), indent=st.booleans())
@settings(max_examples=150)
def test_json_stays_json_and_scrubbing_again_changes_nothing(
    data: Any, plain: bool, indent: bool
) -> None:
    value = written(envelope(data), plain, 1 if indent else None)
    for by in (ALL, PSEUDONYMS):
        if b"NaN" in value or b"Infinity" in value:
            return  # no JSON
        once = scrubbed(by, value)
        before, after = json.loads(value), json.loads(once)
        assert {k: v for k, v in after.items() if k not in ("user", "data")} == {
            k: v for k, v in before.items() if k not in ("user", "data")
        }
        assert once == without_hints(by, value)
        assert scrubbed(by, once) == once
        members(split(once))


@given(data=st.dictionaries(st.text(max_size=8), values, max_size=3))
@settings(max_examples=100)
def test_where_nothing_is_found_every_byte_stays(data: Any) -> None:
    by = scrubber("[[rule]]\nname = 'x'\npattern = 'never-there-at-all'")
    value = written(envelope(data), True, None)
    if b"NaN" not in value and b"Infinity" not in value:
        assert scrubbed(by, value) == value


def test_numbers_beyond_all_types_keys_given_twice_and_blanks_stay() -> None:
    value = (
        b'{ "tenant":"a","session":"s","epoch":"e","seq":1,"ts":1e0,"type":"t" ,\n'
        b'"data":{"n":123456789012345678901234567890,"f":1e400,"m":-0.10,"k":1,"k":2,'
        b'"u":"\\u00e9\\ud800 \\/","mail":"ann@corp.org"}}'
    )
    assert scrubbed(ALL, value) == value.replace(b"ann@corp.org", b"[redacted:email]")


@given(at=st.integers(0, 400), byte=st.binary(min_size=1, max_size=1))
@settings(max_examples=300)
def test_what_is_no_json_does_not_pass(at: int, byte: bytes) -> None:
    """One byte changed anywhere: either it is still JSON and scrubbed, or it is withheld."""
    value = bytearray(event({"mail": "ann@corp.org", "n": [1, {"x": "bob@corp.org"}]}))
    value[at % len(value) : at % len(value) + 1] = byte
    done = ALL.scrub([bytes(value)])
    if done.withheld:
        assert done.values == [None]
        with pytest.raises((UnicodeDecodeError, json.JSONDecodeError, AssertionError)):
            assert _no_name_twice(json.loads(bytes(value).decode(), object_pairs_hook=list))
    else:
        (out,) = done.values
        assert out is not None
        json.loads(out)
        for secret in (b"ann@corp.org", b"bob@corp.org"):
            assert secret not in out


def _no_name_twice(pairs: list[tuple[str, Any]]) -> bool:
    return len({name for name, _ in pairs}) == len(pairs)


@pytest.mark.parametrize(
    "value",
    [
        b"ann@corp.org",
        b'"ann@corp.org"',
        b'["ann@corp.org"]',
        b'{"a":"ann@corp.org"',
        b'{"a":"ann@corp.org"}}',
        b'{"a":"ann@corp.org"}{"b":1}',
        b'{"a":"ann@corp.org",}',
        b'{"a" "ann@corp.org"}',
        b'{"a":01,"b":"ann@corp.org"}',
        b'{"a":NaN,"b":"ann@corp.org"}',
        b'{"a":"ann@corp.org\n"}',
        b'{"a":"ann@corp.org\xff"}',
        b'{"a":"ann@corp.org\\x"}',
        b'{"a":[1}],"b":"ann@corp.org"}',
        b'{"session":"a","session":"ann@corp.org"}',
    ],
)
def test_what_cannot_be_read_is_withheld(value: bytes) -> None:
    done = ALL.scrub([event({}), value, None])
    assert done.values == [event({}), None, None]
    assert list(done.withheld) == [1]
    assert not done.failed
    assert "ann" not in done.withheld[1]


@pytest.mark.parametrize("value", [b"", b"plain", b'{"a":1', b"\xff", b'{"a":"b"}{}'])
def test_what_hints_at_nothing_is_still_known_for_no_json(value: bytes) -> None:
    assert not ALL.is_readable(value)
    assert ALL.is_readable(event({"a": "b"}))


def test_deep_nesting_is_read() -> None:
    value = event("HERE").replace(b'"HERE"', b'{"a":' * 5_000 + b'"ann@corp.org"' + b"}" * 5_000)
    assert b"[redacted:email]" in scrubbed(ALL, value)
    assert b"[redacted:email]" in scrubbed(PSEUDONYMS, value) or b"email-" in scrubbed(
        PSEUDONYMS, value
    )


def test_a_fault_of_the_scrubber_withholds_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(tokens: list[bytes]) -> Any:
        raise KeyError(b"".join(tokens))

    monkeypatch.setattr(module, "members", broken)
    done = ALL.scrub([event({"m": "ann@corp.org"}), event({})])
    assert done.values == [None, event({})]
    assert set(done.withheld) == done.failed == {0}
    assert "KeyError" in done.withheld[0]
    assert "ann" not in done.withheld[0]


def test_a_set_that_finds_nothing_means_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """RE2 says so where its memory does not suffice."""
    by = detecting("email")
    monkeypatch.setattr(by._prefilter, "hints", lambda _: [])
    assert b"ann" not in scrubbed(by, event({"m": "ann@corp.org"}))


def test_identity_time_and_type_stay_and_it_is_counted() -> None:
    value = event({}, session="ann@corp.org", type="bob@corp.org", tenant="x@corp.org")
    done = ALL.scrub([value])
    assert done.values == [value]
    assert done.tally.kept == {
        ("email", "session"): 1,
        ("email", "type"): 1,
        ("email", "tenant"): 1,
    }
    assert not done.tally.hits


def test_a_field_of_the_identity_that_is_no_text_is_not_kept() -> None:
    done = orjson.loads(scrubbed(ALL, event({}, type={"of": "ann@corp.org"})))
    assert done["type"] == {"of": "[redacted:email]"}


def test_unknown_fields_are_scrubbed_by_name_and_value() -> None:
    done = orjson.loads(scrubbed(ALL, event({}, **{"ann@corp.org": ["bob@corp.org"]})))
    assert done["[redacted:email]"] == ["[redacted:email]"]


class TestPrefix:
    """What a whole epoch shares is scrubbed once."""

    def test_it_comes_to_the_same_as_the_long_way(self) -> None:
        values = [event({"n": n}, user="ann@corp.org", seq=n) for n in range(1, 20)]
        done = PSEUDONYMS.scrub(values)
        assert done.values == [PSEUDONYMS.scrub_one(value, Tally()) for value in values]
        assert done.tally.hits == {"email": 19}
        assert all(b"ann@" not in (value or b"") for value in done.values)

    def test_a_session_is_counted_for_every_event(self) -> None:
        values = [event({"n": n}, session="ann@corp.org", seq=n) for n in range(1, 20)]
        assert ALL.scrub(values).tally.kept == {("email", "session"): 19}

    @pytest.mark.parametrize(
        "value",
        [
            b'{"user":"ann@corp.org","seq":1,"tenant":"acme","data":{}}',
            b'{"a":{"user":"ann@corp.org","seq":1},"tenant":"acme"}',
            b'{"tenant":"acme","user":"ann@corp.org,\\"seq\\":","seq":1}',
            b'{"tenant":"acme","user":"ann@corp.org","seq":1,"user":"x"}',
        ],
    )
    def test_other_lines_than_ours_go_the_long_way(self, value: bytes) -> None:
        done = PSEUDONYMS.scrub([value])
        assert done.withheld or done.values == [PSEUDONYMS.scrub_one(value, Tally())]
        assert b"ann" not in (done.values[0] or b"")

    def test_the_memory_is_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_PREFIXES", 5)
        by = detecting("email")
        by.scrub([event({}, user=f"u{n}@corp.org") for n in range(50)])
        assert len(by._prefixes) <= 5


class TestPaths:
    def test_what_a_path_leads_to_is_rewritten_whole(self) -> None:
        data = {
            "args": {"secret": {"a": [1, 2]}, "Password": "x", "n": 1},
            "list": [{"password": 5}, [{"password": True}], {"password": None}, {"password": ""}],
            "secret": "stays",
        }
        done = orjson.loads(scrubbed(PSEUDONYMS, event(data)))["data"]
        mark = "[redacted:named]"
        assert done == {
            "args": {"secret": mark, "Password": mark, "n": 1},
            "list": [
                {"password": mark},
                [{"password": mark}],
                {"password": None},
                {"password": ""},
            ],
            "secret": "stays",
        }

    def test_a_key_in_other_letters_is_the_same_key(self) -> None:
        value = event({"HERE": "x"}).replace(b"HERE", b"p\\u0061ssword")
        assert b"[redacted:named]" in scrubbed(PSEUDONYMS, value)

    def test_an_element_has_its_number(self) -> None:
        by = scrubber("[[rule]]\nname = 'second'\npaths = ['data.list.1', 'data.*.2.x']")
        done = orjson.loads(scrubbed(by, event({"list": ["a", "b", {"x": "c"}]})))
        assert done["data"]["list"] == ["a", "[redacted:second]", {"x": "[redacted:second]"}]

    def test_the_rest_is_still_searched(self) -> None:
        data = {"password": "x", "text": "ann@corp.org", "ann@corp.org": 1}
        assert b"ann" not in scrubbed(PSEUDONYMS, event(data))

    def test_an_object_shows_no_end(self) -> None:
        by = scrubber("[[rule]]\nname = 'x'\npaths = ['data.a']\naction = 'mask'")
        done = orjson.loads(scrubbed(by, event({"a": {"b": "a-long-secret-1234"}})))
        assert done["data"]["a"] == "[redacted:x]"


class TestActions:
    def test_equal_inputs_have_equal_pseudonyms_by_tenant_wherever_they_stand(self) -> None:
        data = {"email": "ann@corp.org", "text": "to ann@corp.org.", "items": [{"owner": "bob"}]}
        one = orjson.loads(scrubbed(PSEUDONYMS, event(data, user="ann@corp.org")))
        other = orjson.loads(scrubbed(PSEUDONYMS, event(data, tenant="globex")))
        name = one["user"]
        assert re.fullmatch(r"email-[0-9a-f]{20}", name)
        assert one["data"]["email"] == name
        assert one["data"]["text"] == f"to {name}."
        assert one["data"]["items"][0]["owner"] != name
        assert other["data"]["email"] not in {name, "ann@corp.org"}

    def test_another_key_gives_others(self) -> None:
        from headrace.streams.scrub.config import loads  # noqa: PLC0415

        text = 'key_variable = "K"\n[[rule]]\ndetect = ["email"]\naction = "pseudonym"'
        value = event({"m": "ann@corp.org"})
        first = loads(text, environ={"K": KEY["SCRUB_KEY"]})
        assert scrubbed(first, value) == scrubbed(
            loads(text, environ={"K": KEY["SCRUB_KEY"]}), value
        )
        assert scrubbed(loads(text, environ={"K": "f" * 32}), value) != scrubbed(first, value)

    def test_a_pseudonym_that_is_none_is_rewritten(self) -> None:
        value = event({"email": "email-" + "0" * 20})
        assert scrubbed(PSEUDONYMS, value) != value

    @pytest.mark.parametrize("mark", ["[redacted:email]", "****1234", "****"])
    def test_what_another_rule_has_rewritten_stays(self, mark: str) -> None:
        value = event({"password": mark, "text": f"password={mark}"})
        rules = "[[rule]]\nname = 'x'\npaths = ['data.password']\n"
        by = scrubber(rules + "[[rule]]\ndetect = ['password']")
        assert scrubbed(by, value) == without_hints(by, value) == value

    def test_a_mask_keeps_the_last_four_of_what_is_long(self) -> None:
        by = scrubber("[[rule]]\nname = 'x'\npaths = ['data.*']\naction = 'mask'")
        done = orjson.loads(
            scrubbed(by, event({"a": LETTERS, "b": "short", "c": 'twelve"chars\\'}))
        )
        assert done["data"] == {"a": "****" + LETTERS[-4:], "b": "****", "c": "****ars\\"}
        assert json.loads(scrubbed(by, orjson.dumps(done))) == done


class TestWhoAndWhat:
    def test_rules_are_for_tenants(self) -> None:
        by = detecting("email", more='tenants = ["acme", "glob*"]\nexcept_tenants = ["globin"]')
        value = {
            name: event({"m": "ann@corp.org"}, tenant=name)
            for name in ("acme", "globex", "globin", "initech")
        }
        changed = {name for name, one in value.items() if scrubbed(by, one) != one}
        assert changed == {"acme", "globex"}

    def test_without_a_tenant_every_rule_applies(self) -> None:
        by = detecting("email", more='tenants = ["acme"]')
        for odd in (b'{"data":"ann@corp.org"}', b'{"tenant":5,"data":"ann@corp.org"}'):
            assert b"ann" not in scrubbed(by, odd)

    def test_a_path_of_another_tenant_hides_none_within_it(self) -> None:
        by = scrubber(
            "[[rule]]\nname = 'whole'\npaths = ['data.args']\ntenants = ['globex']\n"
            "[[rule]]\nname = 'inner'\npaths = ['data.**.password']"
        )
        done = orjson.loads(scrubbed(by, event({"args": {"password": "x"}})))
        assert done["data"]["args"] == {"password": "[redacted:inner]"}

    def test_what_is_allowed_stays(self) -> None:
        by = detecting("email", more='allow = ["*@corp.org", "bob@*"]')
        value = event({"m": "ann@corp.org bob@x.org"})
        assert scrubbed(by, value) == value
        assert scrubbed(by, event({"m": "ann@corp.org eve@x.org"})) == event(
            {"m": "ann@corp.org [redacted:email]"}
        )

    def test_what_overlaps_is_gone_as_one_by_the_first_rule(self) -> None:
        by = detecting("connection-string", "email")
        done = orjson.loads(scrubbed(by, event({"u": "postgres://app:hunter2@db.corp.org/x"})))
        assert done["data"]["u"] == "postgres://app:[redacted:connection-string]/x"


class TestOwnPatterns:
    def test_the_group_secret_is_rewritten(self) -> None:
        by = scrubber(
            "[[rule]]\nname = 'customer'\npattern = 'customer (?P<secret>C-[0-9]+)'\n"
            "hints = ['Customer']"
        )
        done = orjson.loads(scrubbed(by, event({"t": "customer C-12, customer C-34"})))
        assert done["data"]["t"] == "customer [redacted:customer], customer [redacted:customer]"

    @pytest.mark.parametrize(
        ("pattern", "text", "after"),
        [
            ("^secret", "secret secret", "[redacted:x] secret"),
            ("secret$", "secret secret", "secret [redacted:x]"),
            ("[^a]+z", "bbz", "[redacted:x]"),
            ("é+", "caféé", "caf[redacted:x]"),
            ("(?s)a.*b", "a\nb", "[redacted:x]"),
        ],
    )
    def test_each_text_is_by_itself(self, pattern: str, text: str, after: str) -> None:
        by = scrubber(f"[[rule]]\nname = 'x'\npattern = '{pattern}'")
        for value in (event([text, text]), json.dumps(envelope([text, text])).encode()):
            assert orjson.loads(scrubbed(by, value))["data"] == [after, after]

    def test_no_match_goes_from_one_text_into_another(self) -> None:
        by = scrubber("[[rule]]\nname = 'x'\npattern = 'k[^=]*=(?P<secret>[^;]+)'")
        done = orjson.loads(scrubbed(by, event(["k", "a=b", "k=1", "2;"])))
        assert done["data"] == ["k", "a=b", "k=[redacted:x]", "2;"]


def test_the_same_bytes_come_out_whatever_came_before() -> None:
    value = event({"email": "ann@corp.org", "n": 4111111111111111})
    fresh = scrubber(
        "[[rule]]\nname = 'email'\npaths = ['data.**.email']\naction = 'pseudonym'\n"
        "[[rule]]\ndetect = ['card']"
    )
    used = scrubber(
        "[[rule]]\nname = 'email'\npaths = ['data.**.email']\naction = 'pseudonym'\n"
        "[[rule]]\ndetect = ['card']"
    )
    used.scrub([event({"email": f"u{n}@x.org"}, tenant=f"t{n}") for n in range(50)])
    assert scrubbed(fresh, value) == scrubbed(used, value)


def test_unreadable_is_what_splitting_says() -> None:
    with pytest.raises(UnreadableError):
        members(split(b"1"))


@given(texts, st.booleans())
def test_a_user_is_called_what_their_events_say(name: str, draw_ascii: bool) -> None:
    told = written(envelope({"n": 1}, user=name), draw_ascii, None)
    assert PSEUDONYMS.user("acme", name).name == orjson.loads(scrubbed(PSEUDONYMS, told))["user"]


@pytest.mark.parametrize(
    ("by", "name", "alone"),
    [
        (PSEUDONYMS, "ann@corp.org", True),
        (PSEUDONYMS, "", True),
        (detecting("email"), "ann", True),
        (detecting("email"), "ann@corp.org", False),
        (detecting("email", more='action = "pseudonym"'), "ann ann@corp.org", True),
        (detecting("email", more='action = "mask"'), "ann ann@corp.org", False),
    ],
)
def test_whether_nobody_else_is_called_so(by: module.Scrubber, name: str, alone: bool) -> None:
    found = by.user("acme", name)
    assert found.alone == alone
    assert by.user("acme", found.name) == (found.name, True)
