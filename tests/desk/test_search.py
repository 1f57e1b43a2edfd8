"""Searching evidence on a local stack: what is found, what is told of it, and when nothing is."""

from __future__ import annotations

import getpass
import re

import pytest

from headrace.cli.audit import access
from headrace.events import types
from headrace.sinks.audit.keys import DataKeys
from tests.cli.conftest import Cli, Stack
from tests.desk.evidence import Evidence
from tests.desk.trail import told


def test_a_search_finds_by_each_mark(on_stack: Cli, evidence: Evidence) -> None:
    evidence.add("confirmation_resolved", tool="rm", user="ann", session="s-1")
    evidence.add("confirmation_resolved", tool="sh", user="bob", session="s-2")
    evidence.add("session_start", audit_class="session", user=None, session="s-3")
    evidence.seal()
    of = ("audit", "search", "--tenant", evidence.tenant, "--json")

    def found(*more: str) -> list[int]:
        ran = on_stack(*of, *more)
        assert (ran.code, ran.err) == (0, "")
        # The searches before this one are evidence of the same tenant.
        return [one["index"] for one in ran.objects if one["log"] == evidence.log]

    assert found() == [2, 1, 0]
    assert found("--user", "ann") == [0]
    assert found("--session", "s-2") == [1]
    assert found("--tool", "sh") == [1]
    assert found("--class", "session") == [2]
    assert found("--type", "confirmation_resolved") == [1, 0]
    assert found("--user", "nobody") == []
    assert found("--limit", "1", "--until", "2023-11-15") == [2]
    assert found("--since", "2023-11-14T22:13:21Z") == [2, 1]
    assert found("--until", "2023-11-14T22:13:21Z") == [0]
    assert found("--since", "1d") == []


def test_a_row_tells_no_name_and_opened_it_does(
    on_stack: Cli, evidence: Evidence, keys: DataKeys
) -> None:
    evidence.add("confirmation_resolved", tool="rm", data={"outcome": "reject"})
    evidence.seal()
    of = ("audit", "search", "--tenant", evidence.tenant, "--until", "2023-11-15")
    shut = on_stack(*of, "--json")
    assert "ann" not in shut.out
    assert "event" not in shut.objects[0]
    pseudonym = shut.objects[0]["user"]
    assert pseudonym == keys.pseudonym("user", evidence.tenant, "ann")
    by_pseudonym = on_stack(*of, "--json", "--pseudonyms", "--user", pseudonym)
    assert by_pseudonym.objects == shut.objects
    event = on_stack(*of, "--json", "--open").objects[0]["event"]
    assert (event["user"], event["data"]["outcome"]) == ("ann", "reject")
    table = on_stack(*of, "--open").out
    assert "ann" in table
    assert "reject" in table


@pytest.mark.parametrize("command", [
    ("search",), ("export", "nowhere"), ("hold", "place", "--reason", "case 17"),
])  # fmt: skip
def test_a_pseudonym_that_was_cut_short_is_refused(on_stack: Cli, command: tuple[str, ...]) -> None:
    ran = on_stack("audit", *command, "--pseudonyms", "--user", "3f0c9a12")
    assert (ran.code, ran.out) == (2, "")
    assert "'3f0c9a12' is no pseudonym" in ran.err


def test_what_was_shredded_says_so(on_stack: Cli, evidence: Evidence, keys: DataKeys) -> None:
    keys.shred(evidence.add("confirmation_resolved", user="gone"))
    evidence.add("confirmation_resolved", user="ann")
    evidence.seal()
    of = ("audit", "search", "--tenant", evidence.tenant, "--until", "2023-11-15")
    ran = on_stack(*of, "--open", "--json")
    assert [(one["event"] is None, one["why"]) for one in ran.objects] == [
        (False, None),
        (True, "shredded"),
    ]
    assert "shredded" in on_stack(*of, "--open").out


def test_hostile_text_stays_text(on_stack: Cli, evidence: Evidence) -> None:
    evidence.add("confirmation_resolved", tool="\x1b[2J\u202e", user="\x1b]0;x\x07")
    evidence.seal()
    ran = on_stack("audit", "search", "--tenant", evidence.tenant, "--open")
    assert ran.code == 0
    assert not set(ran.out) & {"\x1b", "\x07", "\u202e"}


def test_every_search_is_evidence_of_each_tenant_that_it_met(
    on_stack: Cli, evidence: Evidence, stack: Stack, keys: DataKeys
) -> None:
    other = evidence.tenant + "-other"
    evidence.add("confirmation_resolved", user="ann", session="shared")
    evidence.add("confirmation_resolved", user="ann", session="shared", tenant=other)
    evidence.seal()
    ran = on_stack("audit", "search", "--type", "confirmation_resolved", "--limit", "2", "--json")
    assert len(ran.objects) == 2
    for tenant in {one["tenant"] for one in ran.objects}:
        assert told(stack.settings, tenant, types.AUDIT_READ)[-1]["user"] == getpass.getuser()
    on_stack("audit", "search", "--tenant", other, "--user", "ann", "--as", "vera", "--open")
    last = told(stack.settings, other, types.AUDIT_READ)[-1]
    assert last["user"] == "vera"
    assert last["data"] == {
        "what": "search",
        "selection": {
            "tenant": other,
            "user": keys.pseudonym("user", other, "ann"),
            "limit": 50,
            "open": True,
        },
        "count": 1,
        "login": getpass.getuser(),
    }


def test_a_search_that_finds_nothing_is_evidence_too(
    on_stack: Cli, evidence: Evidence, stack: Stack
) -> None:
    ran = on_stack("audit", "search", "--tenant", evidence.tenant)
    assert (ran.code, "ten seconds" in ran.out) == (0, True)
    found = told(stack.settings, evidence.tenant, types.AUDIT_READ)
    assert [one["data"]["count"] for one in found] == [0]
    assert re.fullmatch(r"audit-\d{4}-\d\d-\d\d", found[0]["session"])  # a day's, not its own


def test_no_acknowledgement_no_read(
    on_stack: Cli, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence.add("confirmation_resolved", tool="rm")
    evidence.seal()
    monkeypatch.setenv("HEADRACE_KAFKA", "127.0.0.1:1")
    monkeypatch.setattr(access, "PATIENCE", 0.3)
    ran = on_stack("audit", "search", "--tenant", evidence.tenant, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert "did not acknowledge" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_the_general_reader_is_no_way_in(
    on_stack: Cli, evidence: Evidence, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence.add("confirmation_resolved", tool="rm")
    evidence.seal()
    assert on_stack("sql", "SELECT leaf FROM audit").code == 2
    url = stack.settings.need_clickhouse().url
    monkeypatch.setenv("HEADRACE_AUDIT_CLICKHOUSE_URL", url)
    ran = on_stack("audit", "search", "--tenant", evidence.tenant, "--json")
    assert (ran.code, ran.out) == (2, "")
    monkeypatch.delenv("HEADRACE_AUDIT_CLICKHOUSE_URL")
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", url.replace("127.0.0.1", "localhost"))
    ran = on_stack("audit", "search", "--tenant", evidence.tenant)
    assert ran.code == 2
    assert "HEADRACE_AUDIT_CLICKHOUSE_URL" in ran.err


def test_a_user_needs_a_tenant(on_stack: Cli) -> None:
    ran = on_stack("audit", "search", "--user", "ann")
    assert (ran.code, "--tenant" in ran.err) == (2, True)
