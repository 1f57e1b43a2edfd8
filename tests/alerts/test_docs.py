"""What docs/alerts.md says of rules is so."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.streams.alerts.durations import written
from headrace.streams.alerts.matchers import Selector
from headrace.streams.alerts.measures import KINDS, Ratio
from headrace.streams.alerts.prometheus_rules import write
from headrace.streams.alerts.rules import load, loads

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text("utf-8")


def example() -> str:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert isinstance(block, str)
    return block


def test_the_example_is_a_rules_file_with_a_rule_of_every_kind() -> None:
    read = loads(example(), "docs/alerts.md")
    assert {type(rule.measure).__name__.lower() for rule in read.rules} == set(KINDS)
    assert read.inhibits
    assert read.rules[1].inhibits == ("ToolFailureRate",)
    assert write(read).count("- alert:") == len(read.rules)


def test_every_key_of_a_rule_is_documented() -> None:
    text = (Path(__file__).parents[2] / "streams/headrace/streams/alerts/rules.py").read_text()
    text += (
        Path(__file__).parents[2] / "streams/headrace/streams/alerts/rule_fields.py"
    ).read_text()
    keys = set(re.findall(r'table\.(?:get|need|duration|texts|table)\("(\w+)"', text))
    assert len(keys) > 10
    missing = [key for key in (*keys, *KINDS) if f"`{key}`" not in PAGE and f"{key} = " not in PAGE]
    assert not missing


def test_the_table_of_the_shipped_rules_is_current() -> None:
    rows = dict(re.findall(r"^\| `(\w+)`(?:, by \w+)? \| (.*) \|$", PAGE, re.MULTILINE))
    for rule in load().rules:
        row = rows[rule.name]
        assert isinstance(rule.measure, Ratio)
        first: Selector = rule.measure.numerator[0]
        assert f"`{first.metric}" in row
        assert f"{'>' if rule.comparison == 'above' else '<'} {rule.threshold:.0%}" == row.split(
            " | "
        )[1].replace(" %", "%")
        assert row.split(" | ")[2].replace(" min", "m") == written(rule.window)
        assert row.split(" | ")[3].split()[0] == str(int(rule.min_samples))
