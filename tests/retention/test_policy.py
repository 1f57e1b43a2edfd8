"""What a retention file says, and the TTL that is made of it."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace.events.errors import SettingsError
from headrace.events.settings import ClickHouseSettings
from headrace.sinks.connection import connect
from headrace.streams.retention.policy import DAY, Policy, Rule, loads
from headrace.streams.retention.ttl import KEPT, chosen, literal, shortest, ttl

EVENTS = KEPT[0]
FILE = """
[default]
logs = "30d"
alerts = "400d"

[default.types]
llm_text = "1d"
"tool_*" = "12h"

[tenant.acme]
events = "30d"

[tenant.acme.types]
thinking = "2h30m"

[tenant."o'hara \\\\"]
events = "forever"
"""


def test_nothing_said_is_the_default() -> None:
    policy = Policy()
    kept = {one.name: policy.rules(one.name) for one in KEPT}
    assert kept["events"] == [Rule(7 * DAY)]
    assert ttl(EVENTS, kept["events"]) == "toDateTime(ingested_at) + toIntervalDay(7)"
    assert kept["logs"] == [Rule(14 * DAY)]
    assert [ttl(one, kept["alerts"]) for one in KEPT if one.name == "alerts"] == [""]


def test_the_tenants_word_comes_first_and_the_types_before_the_tables() -> None:
    policy = loads(FILE)
    assert policy.rules("events") == [
        Rule(9000, "acme", "thinking"),
        Rule(30 * DAY, "acme"),
        Rule(0, "o'hara \\"),
        Rule(DAY, None, "llm_text"),
        Rule(DAY // 2, None, "tool_*"),
        Rule(7 * DAY),
    ]
    assert policy.rules("logs") == [Rule(30 * DAY)]
    assert shortest(policy.rules("events")) == 9000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[default]\nevents = "7m"', "2: this file, `default`: `events`: from 1h"),
        ('[default]\nevents = "never"', "no duration"),
        ("[default]\nevents = 7", "must be a text"),
        ('[default]\nevent = "7d"', "did you mean `events`?"),
        ('[default.types]\n"*a*b" = "7d"', "one `*`"),
        ('[tenant.acme]\nevents = "9999d"', "tenant`, `acme`"),
        ('[tenants.acme]\nevents = "7d"', "did you mean `tenant`?"),
        ("events =", "no TOML"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as raised:
        loads(text, "kept.toml")
    assert "kept.toml:" in str(raised.value)
    assert said in str(raised.value)


def test_tenants_are_looked_up_and_their_rules_keep_their_order() -> None:
    rules = [
        Rule(1, "a", "x*"), Rule(2, "a", "xy"), Rule(3, "a"), Rule(4, "b", "xy"),
        Rule(0, "b", "x*"), Rule(6, None, "z"), Rule(7),
    ]  # fmt: skip
    assert chosen(rules, [rule.seconds for rule in rules]) == (
        "transform(if(type LIKE 'x%', tenant, ''), ['a'], [1],"
        " transform(if(type = 'xy', tenant, ''), ['a', 'b'], [2, 4],"
        " transform(tenant, ['a'], [3],"
        " transform(if(type LIKE 'x%', tenant, ''), ['b'], [0],"
        " if(type = 'z', 6, 7)))))"
    )


@pytest.fixture
def client(clickhouse: ClickHouseSettings) -> Client:
    return connect(clickhouse)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=30,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    rules=st.lists(
        st.builds(Rule, st.just(1), st.none() | texts.filter(bool), st.none() | texts.filter(bool)),
        max_size=4,
    ),
    tenant=texts,
    kind=texts,
)
def test_sql_chooses_the_rule_that_we_choose(
    client: Client, rules: list[Rule], tenant: str, kind: str
) -> None:
    rules = [rule for rule in rules if (rule.type or "").count("*") < 2]
    rules = [*rules, *(Rule(1, tenant or None, kind[:2] + "*") for _ in range(len(rules) % 2))]
    rules = [rule for rule in rules if (rule.type or "").count("*") < 2] + [Rule(1)]
    number = chosen(rules, range(len(rules)))
    query = f"SELECT {number} FROM (SELECT {literal(tenant)} AS tenant, {literal(kind)} AS type)"
    (first,) = (n for n in [next(i for i, one in enumerate(rules) if _fits(one, tenant, kind))])
    assert client.command(query) == first


def _fits(rule: Rule, tenant: str, kind: str) -> bool:
    if rule.tenant is not None and rule.tenant != tenant:
        return False
    if rule.type is None:
        return True
    begin, star, end = rule.type.partition("*")
    if not star:
        return kind == begin
    return len(kind) >= len(begin) + len(end) and kind.startswith(begin) and kind.endswith(end)
