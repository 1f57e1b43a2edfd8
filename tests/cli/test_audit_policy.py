"""``headrace audit policy``: shown, checked, and tried on an archive of events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from headrace.events.envelope import Envelope, decode
from headrace.events.errors import EnvelopeError
from headrace.streams.audit.policy import Policy, load, loads
from tests.cli.conftest import START, Cli, Stack, insert, line
from tests.cli.test_hostile import ATTACK, assert_harmless, on_terminal
from tests.cli.test_past import OF_PROGRESS
from tests.support import unique

SHIPPED = load()
OTHER = """
[[class]]
name = "session"
retention = "2 y"
erasable = true
purpose = "another"

[[class]]
name = "talk"
retention = "30 d"
erasable = true
purpose = "what was said"

[[rule]]
class = "session"
types = ["session_start", "session_end"]

[[rule]]
class = "talk"
types = ["llm_text", "permission_decision"]
"""
TYPES = (*sorted(SHIPPED.types), "session_end", "llm_text", "tool_output", "turn_end")
TOOLS = ("issue_refund", "get_order", "[helper 1/5] mcp_crm_update_contact", "update_goal", None)
DECISIONS = ("allow", "deny", "prompt")
UNREADABLE = b'{"tool":"issue_refund","n":1e400}'


def events_of(tenant: str, number: int = 400) -> list[bytes]:
    """Events of every kind, as they come."""
    pick = random.Random(7)
    return [
        line(
            tenant,
            f"s-{seq % 7}",
            seq,
            pick.choice(TYPES),
            {"tool": pick.choice(TOOLS), "decision": pick.choice(DECISIONS), "é": "ü" * (seq % 9)},
            user="u-1",
        )
        for seq in range(1, number + 1)
    ]


@pytest.fixture(scope="module")
def tenant(stack: Stack) -> str:
    """Four hundred events, a third of them twice, and the same of a neighbour."""
    name = unique()
    insert(stack, events_of(name))
    insert(stack, [*events_of(name)[::3], *events_of(f"{name}-other")])
    return name


@pytest.fixture
def other(tmp_path: Path) -> Path:
    file = tmp_path / "other.toml"
    file.write_text(OTHER, encoding="utf-8")
    return file


def tried(on_stack: Cli, *args: str) -> dict[str, Any]:
    ran = on_stack("audit", "policy", "test", *args, "--json")
    assert (ran.code, ran.err) == (0, "")
    (found,) = ran.objects
    return found


def selected(policy: Policy, lines: Iterable[bytes]) -> Counter[tuple[str, str]]:
    """What a policy selects, by class and type, as the worker decides it."""
    kinds = [(policy.classify(event), event.type) for event in map(decode, lines)]
    return Counter((name, kind) for name, kind in kinds if name is not None)


def by_class(found: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter({(one["class"], one["type"]): one["events"] for one in found["classes"]})


def test_it_selects_what_the_worker_would(on_stack: Cli, tenant: str) -> None:
    found = tried(on_stack, "--tenant", tenant)
    expected = selected(SHIPPED, events_of(tenant))
    assert by_class(found) == expected
    assert len({name for name, _ in expected}) == 6, "every class of the shipped policy"
    assert found["selected"]["events"] == expected.total()
    assert (found["policy"], found["current"], found["changes"]) == (SHIPPED.id, None, [])
    assert {one["tenant"] for one in found["tenants"]} == {tenant}


def test_only_the_types_of_the_policies_are_read(on_stack: Cli, tenant: str, other: Path) -> None:
    kinds = Counter(event.type for event in map(decode, events_of(tenant)))
    judged = tried(on_stack, "--tenant", tenant)["judged"]
    assert judged == sum(kinds[kind] for kind in SHIPPED.types) < 400
    judged = tried(on_stack, str(other), "--tenant", tenant)["judged"]
    assert judged == sum(kinds[kind] for kind in SHIPPED.types | loads(OTHER).types)


def test_bytes_are_those_of_the_data(on_stack: Cli, stack: Stack) -> None:
    tenant, data = unique(), {"tool": "issue_refund", "é": "ü"}
    insert(stack, [line(tenant, "s", seq, "tool_start", data) for seq in (1, 2)])
    size = len('{"tool":"issue_refund","é":"ü"}'.encode())
    assert tried(on_stack, "--tenant", tenant)["selected"] == {"events": 2, "bytes": 2 * size}


def test_tenants_are_told_apart(on_stack: Cli, stack: Stack) -> None:
    tenant, at = unique(), START - 1_000_000
    lines = [
        line(f"{tenant}-{n % 3}", "s", n, "session_start", {}, ts=at + n) for n in range(1, 11)
    ]
    insert(stack, lines)
    found = tried(on_stack, "--from", "2023-11-03T08:26:40", "--to", "2023-11-03T08:26:51Z")
    told = {(one["tenant"], one["class"]): one["events"] for one in found["tenants"]}
    assert told == {
        (f"{tenant}-0", "session"): 3,
        (f"{tenant}-1", "session"): 4,
        (f"{tenant}-2", "session"): 3,
    }
    part = tried(on_stack, "--from", "2023-11-03T08:26:42", "--to", "2023-11-03T08:26:45Z")
    assert part["judged"] == 3, "the start is within, the end is not"
    assert tried(on_stack, "--since", "1h", "--tenant", f"{tenant}-0")["judged"] == 0


def test_it_says_what_would_change(on_stack: Cli, tenant: str, other: Path) -> None:
    found = tried(on_stack, str(other), "--tenant", tenant)
    new = loads(OTHER)
    decoded = [decode(one) for one in events_of(tenant)]
    expected = Counter(
        (SHIPPED.classify(event), new.classify(event))
        for event in decoded
        if SHIPPED.classify(event) != new.classify(event)
    )
    changes = {(one["from"], one["to"]): one for one in found["changes"]}
    assert Counter({key: one["events"] for key, one in changes.items()}) == expected
    assert {(None, "session"), (None, "talk"), ("business", None), ("permission", "talk")} < set(
        changes
    )
    assert by_class(found) == selected(new, events_of(tenant)) + Counter(
        dict.fromkeys(selected(SHIPPED, events_of(tenant)) - selected(new, events_of(tenant)), 0)
    )
    known = {(e.session, e.seq): e for e in decoded}
    for (was, now), change in changes.items():
        assert len(change["examples"]) == min(3, change["events"])
        for one in change["examples"]:
            event: Envelope = known[one["session"], one["seq"]]
            assert (SHIPPED.classify(event), new.classify(event)) == (was, now)
            assert (one["type"], one["tool"]) == (event.type, event.data["tool"])


def test_the_configured_policy_is_the_current_one(
    on_stack: Cli, tenant: str, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_AUDIT_POLICY", str(other))
    alone = tried(on_stack, "--tenant", tenant)
    assert (alone["policy"], alone["current"]) == (loads(OTHER).id, None)
    against = tried(on_stack, str(other), "--tenant", tenant)
    assert (against["current"], against["changes"]) == (loads(OTHER).id, [])


def test_what_no_decoder_takes_is_counted(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    odd = line(tenant, "s", 1, "tool_start", {"x": 1}).replace(b'{"x":1}', UNREADABLE)
    with pytest.raises(EnvelopeError):
        decode(odd)
    insert(stack, [odd, line(tenant, "s", 2, "tool_start", {"tool": "issue_refund"})])
    found = tried(on_stack, "--tenant", tenant)
    assert (found["judged"], found["unreadable"]) == (1, 1)
    assert "1 event cannot be read" in on_stack("audit", "policy", "test", "--tenant", tenant).out


def test_what_a_person_sees(on_stack: Cli, tenant: str, other: Path) -> None:
    alone = on_stack("audit", "policy", "test", "--tenant", tenant)
    assert (alone.code, alone.err) == (0, "")
    count = selected(SHIPPED, events_of(tenant))["business", "tool_result"]
    assert ["business", "7", "y", "tool_result", str(count)] in [
        row.split()[:5] for row in alone.out.splitlines()
    ]
    ran = on_stack("audit", "policy", "test", str(other), "--tenant", tenant)
    assert "compared with the shipped policy" in ran.out
    assert "newly selected, as talk: " in ran.out
    assert "no longer selected, business so far: " in ran.out
    assert "talk, permission so far: " in ran.out
    same = on_stack("audit", "policy", "test", str(other), "--tenant", f"{tenant}-nobody")
    assert "the same events in the same classes as the shipped policy" in same.out


def test_what_agents_say_is_harmless(stack: Stack, other: Path) -> None:
    tenant = unique() + ATTACK
    data = {"tool": ATTACK, "decision": "deny"}
    insert(stack, [line(tenant, ATTACK, 1, "permission_decision", data)])
    shown = on_terminal(
        *("audit", "policy", "test", str(other), "--tenant", tenant),
        *("--state-dir", str(stack.settings.state_dir)),
    )
    assert "talk, permission so far" in shown
    assert_harmless(OF_PROGRESS.sub("", shown))


def test_a_policy_is_shown(cli: Cli, other: Path) -> None:
    (found,) = cli("audit", "policy", "show", "--json").objects
    assert (found["policy"], found["source"]) == (SHIPPED.id, "the shipped policy")
    assert {one["class"]: one["retention_days"] for one in found["classes"]} == {
        name: one.retention_days for name, one in SHIPPED.classes.items()
    }
    assert [one["class"] for one in found["rules"]] == [r.audit_class for r in SHIPPED.rules]
    assert "refund_*" in found["rules"][3]["tools"]
    assert found["rules"][2]["where"] == {"decision": ["deny", "prompt"]}
    shown = cli("audit", "policy", "show", str(other)).out
    assert f"{other} ({loads(OTHER).id}): 3 classes, 2 rules" in shown
    for part in ("2 y", "30 d", "what was said", "rule 2: talk", "llm_text, permission_decision"):
        assert part in shown


def test_a_policy_is_checked(
    cli: Cli, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = cli("audit", "policy", "check", str(other))
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"{other} ({loads(OTHER).id}): 3 classes, 2 rules\n"
    assert cli("audit", "policy", "check").out.startswith("the shipped policy")
    ran = cli("audit", "policy", "check", str(other), "--json")
    assert (ran.code, ran.err) == (0, "")
    (shown,) = cli("audit", "policy", "show", str(other), "--json").objects
    assert ran.objects == [{"valid": True, "mistakes": [], **shown}]
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(OTHER.replace("30 d", "30").replace("llm_text", "llm_*"), encoding="utf-8")
    monkeypatch.setenv("HEADRACE_AUDIT_POLICY", str(wrong))
    for args in ((str(wrong),), ()):
        ran = cli("audit", "policy", "check", *args)
        assert (ran.code, ran.out) == (2, "")
        assert [one.split(": ")[0] for one in ran.err.splitlines()] == [
            f"{wrong}:10",
            f"{wrong}:20",
        ]
        told = cli("audit", "policy", "check", *args, "--json")
        (found,) = told.objects
        assert (told.code, told.err, found["valid"]) == (2, "", False)
        lines = [f"{found['source']}:{one['line']}: {one['text']}" for one in found["mistakes"]]
        assert lines == ran.err.splitlines()
    for command in ("show", "test"):
        ran = cli("audit", "policy", command)
        assert ran.code == 2
        assert ran.err.startswith(f"headrace: {wrong}:10: ")
        assert ran.err.endswith(" (1 more): see `headrace audit policy check`\n")
    for more in ((), ("--json",)):
        ran = cli("audit", "policy", "check", str(tmp_path / "none.toml"), *more)
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--from", "2026-05-04", "--to", "2026-05-03"), "must end after it begins"),
        (("--to", "2300-01-01"), "must end after it begins"),
    ],
)
def test_a_span_that_is_none_is_refused(cli: Cli, args: tuple[str, ...], says: str) -> None:
    ran = cli("audit", "policy", "test", *args)
    assert (ran.code, says in ran.err) == (2, True)
