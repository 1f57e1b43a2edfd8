"""A policy: what it selects, in which class; and every mistake in its file has a line."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.events.envelope import Envelope
from headrace.events.errors import SettingsError
from headrace.streams.audit.policy import Policy, load, loads
from headrace.streams.audit.retention import days_of, written

CLASS = """
[[class]]
name = "kept"
retention = "90 d"
erasable = true
purpose = "to see"
"""


def event(type: str, tenant: str = "acme", **data: Any) -> Envelope:  # noqa: A002 - its name
    return Envelope(tenant, "s-1", "0123456789abcdef", 1, 1.0, type, data)


def policy(rules: str) -> Policy:
    return loads(CLASS + rules)


def problems(text: str) -> list[tuple[int, str]]:
    with pytest.raises(SettingsError) as error:
        loads(text, "file.toml")
    found = [line.split(":", 2) for line in str(error.value).splitlines()]
    assert {source for source, _, _ in found} == {"file.toml"}
    return [(int(line), text.strip()) for _, line, text in found]


@pytest.mark.parametrize(
    ("seen", "audit_class"),
    [
        (event("session_start"), "session"),
        (event("confirmation_resolved", tool="issue_refund", outcome="allow"), "approval"),
        (event("confirmation_resolved", tool="issue_refund", outcome="reject"), "approval"),
        (event("confirmation_resolved", tool="get_order", outcome="timeout"), "approval"),
        (event("permission_decision", tool="get_order", decision="deny"), "permission"),
        (event("permission_decision", tool="update_order", decision="deny"), "permission"),
        (event("permission_decision", tool="get_order", decision="prompt"), "permission"),
        (event("permission_decision", tool="get_order", decision="allow"), None),
        (event("permission_decision", tool="update_order", decision="allow"), "business"),
        (event("tool_start", tool="issue_refund", args={}), "business"),
        (event("tool_complete", tool="mcp_crm_delete_contact", status="ok"), "business"),
        (event("tool_result", tool="create_order", content_hash="ab"), "business"),
        (event("tool_start", tool="[helper 1/15] mcp_crm_update_contact"), "business"),
        (event("tool_start", tool="[a [b] 1/15] update_order"), "business"),
        (event("tool_start", tool="[helper 1/15] update_goal"), None),
        (event("tool_start", tool="[update_it] get_order"), None),
        (event("tool_start", tool="update_goal"), None),
        (event("tool_start", tool="get_update_times"), None),
        (event("tool_start"), None),
        (event("memory_cleared"), "erasure"),
        (event("headrace.erasure"), "erasure"),
        (event("headrace.audit_read"), "access"),
        (event("llm_text", tool="issue_refund"), None),
        (event("tool_output", tool="issue_refund"), None),
    ],
)
def test_the_shipped_policy_is_the_table(seen: Envelope, audit_class: str | None) -> None:
    assert load().classify(seen) == audit_class


def test_the_shipped_classes_are_kept_as_the_table_says() -> None:
    found = {c.name: (c.retention_days, c.erasable) for c in load().classes.values()}
    assert found == {
        "session": (365, True),
        "approval": (365, True),
        "permission": (90, True),
        "business": (2557, False),
        "erasure": (None, False),
        "access": (365, False),
        "policy": (None, False),
    }


def test_the_first_rule_that_is_met_decides() -> None:
    text = CLASS + CLASS.replace("kept", "other")
    rules = ['class = "kept"\ntypes = ["x"]', 'class = "other"\ntypes = ["x", "y"]']
    both = loads(text + "".join(f"\n[[rule]]\n{rule}\n" for rule in rules))
    assert (both.classify(event("x")), both.classify(event("y"))) == ("kept", "other")
    other_way = loads(text + "".join(f"\n[[rule]]\n{rule}\n" for rule in reversed(rules)))
    assert other_way.classify(event("x")) == "other"


@pytest.mark.parametrize(
    ("condition", "met", "not_met"),
    [
        ('tools = ["a_*", "b"]', {"tool": "a_1"}, {"tool": "b_1"}),
        ('tools = ["*"]', {"tool": "a"}, {"tool": None}),
        ('except_tools = ["a"]', {}, {"tool": "a"}),
        ('where = { outcome = ["allow", "reject"] }', {"outcome": "reject"}, {"outcome": "error"}),
        ('where = { outcome = "allow" }', {"outcome": "allow"}, {}),
        ("where = { n = 1 }", {"n": 1.0}, {"n": True}),
        ("where = { n = true }", {"n": True}, {"n": 1}),
        ("where = { n = 1, m = 2 }", {"n": 1, "m": 2}, {"n": 1, "m": 1}),
        ('where = { n = "a" }', {"n": "a"}, {"n": ["a"]}),
    ],
)
def test_a_condition(condition: str, met: dict[str, Any], not_met: dict[str, Any]) -> None:
    found = policy(f'[[rule]]\nclass = "kept"\ntypes = ["x"]\n{condition}')
    assert found.classify(event("x", **met)) == "kept"
    assert found.classify(event("x", **not_met)) is None
    assert found.classify(event("y", **met)) is None


def test_tenants_are_patterns() -> None:
    found = policy('[[rule]]\nclass = "kept"\ntypes = ["x"]\ntenants = ["acme", "eu-*"]')
    selected = {t for t in ("acme", "eu-1", "us-1", "Acme") if found.classify(event("x", t))}
    assert selected == {"acme", "eu-1"}


def test_a_policy_is_named_by_its_text() -> None:
    text = CLASS + "# a word\n"
    assert loads(text).id == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert loads(text).text == text
    assert loads(text).id != loads(CLASS).id


def test_what_tells_of_policies_is_kept_as_long_as_anything() -> None:
    assert loads(CLASS).classes["policy"].retention_days == 90
    longer = CLASS + CLASS.replace("kept", "longer").replace("90 d", "2 y")
    assert loads(longer).classes["policy"].retention_days == 731
    ever = longer + CLASS.replace("kept", "ever").replace("90 d", "indefinite")
    assert loads(ever).classes["policy"].retention_days is None
    assert not loads(CLASS).classes["policy"].erasable


def test_a_policy_without_rules_selects_nothing() -> None:
    assert loads("").types == frozenset()
    assert loads("").classify(event("session_start")) is None


def test_every_mistake_has_its_line() -> None:
    text = """\
[[class]]
name = "Kept!"
retention = "90"
erasable = 1
reason = "x"
[[class]]
name = "other"
retention = "7 y"
erasable = false
purpose = "x"
[[class]]
name = "other"
retention = "200 y"
erasable = false
purpose = "x"
[[class]]
name = "policy"
retention = "7 y"
erasable = false
purpose = "x"
[[rule]]
class = "othr"
types = []
[[rule]]
class = "other"
types = [
  "x",
  "tool_*",
]
tools = []
tenant = "acme"
where = { a = [], b = { c = 1 } }
"""
    assert problems(text) == [
        (1, "class 'Kept!': `purpose` is missing"),
        (2, "class 'Kept!': `name` must be up to 32 of a-z, 0-9 and -, and begin with a letter"),
        (
            3,
            """class 'Kept!': `retention`: '90' is no retention: write it like \
"90 d", "7 y" or "indefinite\"""",
        ),
        (4, "class 'Kept!': `erasable` must be true or false, not 1"),
        (
            5,
            (
                "class 'Kept!': `reason` is not known; known: erasable, legal_hold, name,"
                " purpose, retention"
            ),
        ),
        (12, "class 'other': there is a class other already"),
        (
            13,
            "class 'other': `retention`: '200 y' is longer than 100 years: write \"indefinite\"",
        ),
        (17, "class 'policy': there is a class policy already"),
        (22, "rule 1: `class`: there is no [[class]] othr; did you mean other?"),
        (23, "rule 1: `types` must name at least one type of event"),
        (28, "rule 2: `types` are whole names, not patterns: 'tool_*'"),
        (30, "rule 2: `tools` must not be empty: leave it out where any will do"),
        (31, "rule 2: `tenant` is not known; did you mean `tenants`?"),
        (
            32,
            "rule 2, `where`: `a` must be a text, a number, true or false, or a list of such",
        ),
        (
            32,
            "rule 2, `where`: `b` must be a text, a number, true or false, or a list of such",
        ),
    ]


def test_no_class_takes_a_topic_of_headraces_own() -> None:
    text = '[[class]]\nname = "state"\nretention = "7 d"\nerasable = true\npurpose = "x"\n'
    why = "`name` must not be state: agent.audit.state is headrace's own topic"
    assert problems(text) == [(2, f"class 'state': {why}")]


def test_a_file_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_bytes(CLASS.replace("\n", "\r\n").encode())
    assert load(file).text.encode() == file.read_bytes()
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml")


@given(st.integers(1900, 2400), st.integers(1, 100))
def test_years_are_never_short_of_the_calendars(year: int, years: int) -> None:
    span = date(year + years, 3, 1) - date(year, 3, 1)
    days = days_of(f"{years} y")
    assert days is not None
    assert 0 <= days - span.days <= 2


NAMES = st.text("ab_*?[]-!^.\n(é", max_size=6)


@given(st.lists(NAMES.filter(bool), min_size=1, max_size=4), NAMES)
def test_patterns_are_those_of_a_shell(patterns: list[str], name: str) -> None:
    written = json.dumps(patterns)  # which is TOML, too
    found = policy(f'[[rule]]\nclass = "kept"\ntypes = ["x"]\ntools = {written}')
    selected = found.classify(event("x", tool=name)) is not None
    assert selected == any(fnmatchcase(name, pattern) for pattern in patterns)


JSON = st.recursive(
    st.sampled_from([None, True, 0, 1.5, "", "deny", "issue_refund"]),
    lambda inner: st.lists(inner, max_size=2) | st.fixed_dictionaries({"a": inner}),
    max_leaves=3,
)


@given(
    st.sampled_from([*sorted(load().types), "llm_text"]),
    st.dictionaries(st.sampled_from(["tool", "decision", "outcome"]), JSON),
)
def test_whatever_an_event_holds_the_answer_is_a_class_or_none(
    kind: str, data: dict[str, Any]
) -> None:
    shipped = load()
    found = shipped.classify(event(kind, **data))
    assert found in {None, *shipped.classes}
    assert found is None or shipped.may_select(kind)
    assert shipped.classify(event(kind, **data)) == found


@given(st.none() | st.integers(1, 36_600))
def test_a_retention_is_written_as_it_is_read(days: int | None) -> None:
    assert days_of(written(days)) == days


@pytest.mark.parametrize("text", ["90 d", "365 d", "1 y", "7 y", "indefinite"])
def test_a_retention_is_written_as_people_do(text: str) -> None:
    assert written(days_of(text)) == text
