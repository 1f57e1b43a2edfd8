"""What docs/audit.md says of what is kept, and of policies, is so."""

from __future__ import annotations

import re
from pathlib import Path

from headrace.streams.audit.policy import POLICY_CLASS, load, loads
from headrace.streams.audit.retention import written

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "audit.md").read_text("utf-8")


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_the_table_is_the_shipped_policy() -> None:
    rows = re.findall(
        r"^\| .+? \| (.+?) \| .+ \| `(\w+)` \| (.+) \|$", section("What is kept"), re.MULTILINE
    )
    told = {(kind, name) for event, name, _ in rows for kind in re.findall(r"^`([\w.]+)`", event)}
    shipped = load()
    assert told == {(kind, rule.audit_class) for rule in shipped.rules for kind in rule.types}
    assert {(name, kept) for _, name, kept in rows} == {
        (one.name, written(one.retention_days)) for one in shipped.classes.values()
    }


def test_the_example_is_a_policy_that_uses_every_key() -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", section("The policy"), re.DOTALL | re.MULTILINE)
    policy = loads(block, "docs/audit.md")
    assert {rule.audit_class for rule in policy.rules} == {*policy.classes} - {POLICY_CLASS}
    assert {one.erasable for one in policy.classes.values()} == {True, False}
    text = (ROOT / "streams/headrace/streams/audit/policy_tables.py").read_text("utf-8")
    keys = set(re.findall(r'(?:table\.(?:need|get|texts|table)|_names)\((?:table, )?"(\w+)"', text))
    assert len(keys) == 11
    assert all(f"\n{key} = " in block for key in keys)
    rules = section("The policy").partition("| key of a rule |")[2]
    assert all(
        f"| `{key}` |" in rules
        for key in keys - {"name", "retention", "erasable", "legal_hold", "purpose"}
    )
