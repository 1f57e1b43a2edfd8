"""Holds, the report and expiry, on a vault of the test's own and a local stack's Kafka."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from headrace.cli.audit import access
from headrace.events import types
from headrace.sinks.audit.keys import DataKeys, open_signing
from headrace.sinks.audit.vault import holds
from headrace.sinks.audit.vault.place import KeptError
from headrace.sinks.audit.verify import offline
from headrace.streams.audit import policy
from tests.cli.conftest import Cli, Stack
from tests.desk.evidence import Evidence
from tests.desk.trail import told

LONG_AGO = time.time() - 400 * 86_400.0
"""When a class that is kept for a year has been due for a month."""


@pytest.fixture
def trail(apart: Evidence) -> Evidence:
    """A segment that fell due, but for the class that is kept for ever, and one that did not."""
    apart.add("confirmation_resolved", user="ann", tool="rm")
    apart.add("session_start", user="bob", audit_class="session", session="s-2")
    apart.add("memory_cleared", user="ann", audit_class="erasure")
    apart.seal(at=LONG_AGO)
    apart.add("confirmation_resolved", user="cleo", session="s-3")
    apart.seal()
    return apart


def by_class(cli: Cli) -> dict[str, dict[str, Any]]:
    ran = cli("audit", "report", "--json")
    assert (ran.code, ran.err) == (0, "")
    return {one["name"]: one for one in ran.objects}


def files(trail: Evidence) -> dict[str, bool]:
    """Whether each file of the first segment is there, by class."""
    seal = next(trail.vault.seals(trail.log))
    return {one.audit_class: trail.vault.lines(one) is not None for one in seal.classes}


def place(cli: Cli, *about: str) -> str:
    ran = cli("audit", "hold", "place", *about, "--reason", "case 17", "--json")
    assert (ran.code, ran.err) == (0, "")
    return str(ran.objects[0]["id"])


@pytest.mark.parametrize(
    "command",
    [
        ("report",),
        ("expire",),
        ("export", "bundle"),
        ("hold", "list"),
        ("hold", "place", "--tenant", "acme", "--reason", "x"),
        ("hold", "release", "1", "--reason", "x"),
    ],
)
def test_a_vault_that_is_not_mounted_is_not_an_empty_one(
    on_stack: Cli, apart: Evidence, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "vault" / "vault.json").unlink()
    ran = on_stack("audit", *command)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert ran.err.endswith("mount it, or run `headrace audit keys init`\n")
    assert list((tmp_path / "vault").iterdir()) == []


def test_a_report_counts_what_is_kept_due_and_for_ever(on_stack: Cli, trail: Evidence) -> None:
    found = by_class(on_stack)
    keeps = {name: (one["kept"], one["due"]) for name, one in found.items() if one["kept"]}
    assert keeps == {"approval": (2, 1), "session": (1, 1), "erasure": (1, 0)}
    assert (found["approval"]["retention_days"], found["erasure"]["retention_days"]) == (365, None)
    assert found["approval"]["bytes"] == sum(
        one.size
        for seal in trail.vault.seals(trail.log)
        for one in seal.classes
        if one.audit_class == "approval"
    )
    assert found["business"]["kept"] == 0
    told = on_stack("audit", "report").out
    assert "headrace audit expire" in told
    assert ("7 y" in told, "indefinite" in told) == (True, True)


def test_what_fell_due_goes_and_the_rest_stays_provable(
    on_stack: Cli, trail: Evidence, stack: Stack, tmp_path: Path
) -> None:
    ran = on_stack("audit", "expire", "--json")
    assert ran.objects == [{"due": {"approval": 1, "session": 1}, "held": {}, "removed_files": 0}]
    assert set(files(trail).values()) == {True}
    assert told(stack.settings, trail.tenant, types.AUDIT_CHANGE) == []
    assert on_stack("audit", "expire", "--apply", "--as", "vera").code == 0
    assert files(trail) == {"approval": False, "session": False, "erasure": True}
    (event,) = told(stack.settings, trail.tenant, types.AUDIT_CHANGE)
    assert (event["user"], event["data"]["what"], event["data"]["count"]) == ("vera", "expire", 2)
    assert by_class(on_stack)["session"]["expired"] == 1
    assert on_stack("audit", "expire", "--json").objects[0]["due"] == {}
    for key in open_signing(stack.settings).public:
        trail.vault.keep_key(key)
    checked = subprocess.run(
        [sys.executable, "-I", str(offline.__file__), str(tmp_path / "vault")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    ("about", "stays"),
    [
        (("--user", "ann"), {"approval"}),
        (("--user", "bob"), {"session"}),
        (("--session", "s-2"), {"session"}),
        (("--session", "s-1", "--user", "bob"), set()),
        (("--class", "approval"), {"approval"}),
        ((), {"approval", "session"}),
    ],
)
def test_a_hold_keeps_what_fell_due(
    on_stack: Cli, trail: Evidence, about: tuple[str, ...], stays: set[str]
) -> None:
    hold = place(on_stack, "--tenant", trail.tenant, *about)
    found = by_class(on_stack)
    assert {name for name in ("approval", "session") if found[name]["held"]} == stays
    assert on_stack("audit", "expire", "--apply").code == 0
    assert {name for name, there in files(trail).items() if there} == {*stays, "erasure"}
    assert on_stack("audit", "hold", "release", hold[:6], "--reason", "x").code == 0
    assert on_stack("audit", "expire", "--apply").code == 0
    assert {name for name, there in files(trail).items() if there} == {"erasure"}


def test_a_class_that_the_policy_holds_goes_when_it_holds_it_no_more(
    on_stack: Cli, trail: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = policy.load().text
    held = shipped.replace('name = "approval"', 'name = "approval"\nlegal_hold = true')
    mine = tmp_path / "policy.toml"
    monkeypatch.setenv("HEADRACE_AUDIT_POLICY", str(mine))
    for text, stays in ((held, {"approval", "erasure"}), (shipped, {"erasure"})):
        mine.write_text(text)
        assert by_class(on_stack)["approval"]["held"] == (2 if text == held else 0)
        assert on_stack("audit", "expire", "--apply").code == 0
        assert {name for name, there in files(trail).items() if there} == stays


def test_a_hold_by_another_tenant_or_released_holds_nothing(on_stack: Cli, trail: Evidence) -> None:
    place(on_stack, "--tenant", "another")
    hold = place(on_stack, "--tenant", trail.tenant)
    second = place(on_stack, "--tenant", trail.tenant, "--class", "session")
    on_stack("audit", "hold", "release", hold, "--reason", "x")
    on_stack("audit", "expire", "--apply")
    assert files(trail) == {"approval": False, "session": True, "erasure": True}
    ids = [one["id"] for one in on_stack("audit", "hold", "list", "--json").objects]
    assert (hold in ids, second in ids) == (False, True)
    everything = on_stack("audit", "hold", "list", "--all", "--json").objects
    assert [one["released_at"] is None for one in everything] == [True, False, True]


def test_a_hold_covers_what_is_sealed_after_it(on_stack: Cli, trail: Evidence) -> None:
    place(on_stack, "--tenant", trail.tenant, "--user", "eve")
    trail.add("confirmation_resolved", user="eve")
    late = trail.seal(at=LONG_AGO)
    on_stack("audit", "expire", "--apply")
    assert trail.vault.lines(late.classes[0]) is not None


def test_the_vault_itself_keeps_what_is_held(on_stack: Cli, trail: Evidence) -> None:
    name = next(trail.vault.seals(trail.log)).classes[0].name
    hold = place(on_stack, "--tenant", trail.tenant)
    assert trail.vault.place.retained(name).held
    with pytest.raises(KeptError, match="hold"):
        trail.vault.place.remove(name)
    on_stack("audit", "hold", "release", hold, "--reason", "x")
    assert not trail.vault.place.retained(name).held


def test_a_hold_is_evidence_and_names_nobody(
    on_stack: Cli, trail: Evidence, stack: Stack, keys: DataKeys, tmp_path: Path
) -> None:
    hold = place(on_stack, "--tenant", trail.tenant, "--user", "ann", "--as", "vera")
    on_stack("audit", "hold", "release", hold, "--reason", "x", "--as", "max")
    events = told(stack.settings, trail.tenant, types.AUDIT_CHANGE)
    assert [(one["user"], one["data"]["what"]) for one in events] == [
        ("vera", "hold"),
        ("max", "release"),
    ]
    pseudonym = keys.pseudonym("user", trail.tenant, "ann")
    assert events[0]["data"]["selection"]["user"] == pseudonym
    kept = (tmp_path / "vault" / "holds" / f"{hold}.json").read_bytes()
    assert b"ann" not in kept
    assert pseudonym.encode() in kept


@pytest.mark.parametrize("command", [("hold", "place", "--reason", "x"), ("expire", "--apply")])
def test_nothing_changes_without_an_acknowledgement(
    on_stack: Cli, trail: Evidence, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA", "127.0.0.1:1")
    monkeypatch.setattr(access, "PATIENCE", 0.3)
    of = ("--tenant", trail.tenant) if command[0] == "hold" else ()
    ran = on_stack("audit", *command, *of)
    assert (ran.code, "did not acknowledge" in ran.err) == (2, True)
    assert set(files(trail).values()) == {True}
    assert holds.holds(trail.vault) == []


def test_a_hold_that_cannot_be_read_lets_nothing_go(
    on_stack: Cli, trail: Evidence, tmp_path: Path
) -> None:
    trail.vault.place.create("holds/0123456789ab.json", b'{"v":1,"id":"0123456789ab"}')
    ran = on_stack("audit", "expire", "--apply")
    assert (ran.code, "is no hold" in ran.err) == (2, True)
    assert set(files(trail).values()) == {True}


def test_a_hold_on_nothing_in_particular_is_refused(on_stack: Cli, trail: Evidence) -> None:
    assert on_stack("audit", "hold", "place", "--reason", "x").code == 2
    assert on_stack("audit", "hold", "release", "ffff", "--reason", "x").code == 2
