"""Durations, matchers and templates: what is written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streams.alerts.durations import seconds_of, written
from headrace.streams.alerts.matchers import Matcher, all_match, parse_matchers, parse_selector
from headrace.streams.alerts.templates import Context, parse


@given(st.integers(0, 10**8))
def test_a_duration_is_read_as_it_is_written(seconds: int) -> None:
    assert seconds_of(written(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "m", "-5m", "5m5m", "1s1m", "1.5h", "5M", "\u0665m", "5m\n"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        seconds_of(text)


@pytest.mark.parametrize(
    ("matcher", "fits", "does_not"),
    [
        ('tool="a"', "a", "b"),
        ('tool!="a"', "", "a"),
        ('tool=~"a|b"', "b", "ab"),
        ('tool=~"a.*"', "a\nb", "ba"),
        ('tool!~"a.*"', "", "ab"),
        ("tool=run_sql", "run_sql", "run"),
        (r'tool="a\"b\\c\n,d}"', 'a"b\\c\n,d}', "a"),
    ],
)
def test_matchers_match_as_alertmanagers_do(matcher: str, fits: str, does_not: str) -> None:
    (parsed,) = parse_matchers(matcher)
    assert parsed.matches(fits)
    assert not parsed.matches(does_not)


def test_all_matchers_must_match() -> None:
    both = parse_matchers('{a="1", b=~"2|"}')
    assert all_match(both, {"a": "1"})
    assert not all_match(both, {"a": "1", "b": "3"})


@given(st.text(max_size=30), st.sampled_from(["=", "!="]))
def test_a_matcher_is_read_as_it_is_written(value: str, operator: str) -> None:
    matcher = Matcher("gen_ai.tool.name", operator, value)  # type: ignore[arg-type]
    assert parse_matchers(f"{{{matcher},{matcher}}}") == (matcher, matcher)
    assert parse_selector(f"agent.events{{{matcher}}}").matchers == (matcher,)


@pytest.mark.parametrize(
    "text", ["a", 'a="1" b="2"', 'a=="1"', '="x"', 'a="1', 'a=~"("', 'a=~"(?!x)"', 'a=~"(.)\\1"']
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"matcher|pattern"):
        parse_matchers(text)


def context(tenant: str = "acme", tool: str = "run_sql", value: float | None = 0.1234) -> Context:
    return Context("R", tenant, 300, {"tool": tool}, 0.1, value, 41.0)


def test_placeholders_are_filled() -> None:
    text = (
        "{{tenant}} {{ labels.tool }} {{ value }} {{ value | percent }} {{ threshold|percent }}"
        " {{ samples }} {{ window }} {{ rule }} {{ value | seconds }}"
    )
    assert parse(text).render(context()) == "acme run_sql 0.1234 12.34% 10% 41 5m R 0.1234s"
    assert parse("{{ value | percent }}").render(context(value=None)) == "-"


@given(st.text(max_size=50) | st.sampled_from(["{{ value }}", "{{ labels.tool }}", "%s{0}"]))
def test_a_label_is_only_text(hostile: str) -> None:
    rendered = parse("<{{ labels.tool }}|{{ tenant }}>").render(context(hostile, hostile))
    assert rendered == f"<{hostile}|{hostile}>"


def test_a_labels_length_is_bounded() -> None:
    for text in ("{{ tenant }}", "{{ labels.tool }}"):
        assert len(parse(text).render(context("x" * 10**6, "x" * 10**6))) == 2000


@pytest.mark.parametrize(
    "text",
    ["{{ x }}", "{{ value", "value }}", "{{ labels }}", "{{ labels.a.b }}", "{{ value | shout }}",
     "{{ tenant | percent }}", "{{ value.__class__ }}", "{{ 1 + 1 }}", "{{{ value }}",
     "{{ value }}}"],
)  # fmt: skip
def test_nothing_else_is_a_placeholder(text: str) -> None:
    with pytest.raises(ValueError, match=r"placeholder|numbers"):
        parse(text)
