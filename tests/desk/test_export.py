"""Exports from a local stack's vault: what goes in, who is told, and that it proves itself."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.cli.audit import access
from headrace.events import types
from headrace.sinks.audit.keys import DataKeys
from tests.cli.conftest import Cli, Stack
from tests.desk.evidence import Evidence
from tests.desk.trail import told


@pytest.fixture
def sealed(evidence: Evidence) -> Evidence:
    """Five leaves in two segments, the last of another tenant."""
    evidence.add("confirmation_resolved", tool="rm", data={"outcome": "reject"})
    evidence.add("session_start", audit_class="session", user="bob", session="s-2")
    evidence.add("confirmation_resolved", tool="sh", user="bob", session="s-2")
    evidence.seal()
    evidence.add("confirmation_resolved", tool="rm", user="ann")
    evidence.add("confirmation_resolved", tool="rm", tenant=evidence.tenant + "-other")
    evidence.seal()
    return evidence


def verify(path: Path, script: Path) -> subprocess.CompletedProcess[str]:
    """As a regulator does: Python alone, no environment of ours."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script), str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def test_an_export_holds_what_was_asked_for_and_proves_it(
    on_stack: Cli, sealed: Evidence, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    ran = on_stack("audit", "export", str(out), "--tenant", sealed.tenant, "--class", "approval")
    assert ran.code == 0
    assert f"verify.py {out}" in ran.out
    found = lines(out / "leaves" / f"{sealed.log}.jsonl")
    assert [one["index"] for one in found] == [0, 2, 3]
    assert not any(b"ann" in path.read_bytes() for path in out.rglob("*.jsonl"))
    checked = verify(out, out / "verify.py")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    leaf = out / "leaves" / f"{sealed.log}.jsonl"
    leaf.write_bytes(leaf.read_bytes().replace(b'"rm"', b'"ls"', 1))
    assert verify(out, out / "verify.py").returncode == 1


def test_an_export_of_a_person_opened(
    on_stack: Cli, sealed: Evidence, keys: DataKeys, tmp_path: Path
) -> None:
    gone = sealed.add("confirmation_resolved", user="ann", session="s-9", tool="late")
    sealed.seal()
    other = sealed.add("session_start", user="ann", audit_class="session", session="s-10")
    sealed.seal()
    keys.shred(other)
    assert gone != other
    out = tmp_path / "case.zip"
    of = ("audit", "export", str(out), "--tenant", sealed.tenant, "--user", "ann", "--open")
    ran = on_stack(*of, "--json")
    assert ran.objects == [{"out": str(out), "leaves": 4, "plain": 3}]
    with zipfile.ZipFile(out) as packed:
        packed.extractall(tmp_path / "out")
    found = lines(tmp_path / "out" / "plain.jsonl")
    assert [one["event"] and one["event"]["user"] for one in found] == ["ann", "ann", "ann", None]
    assert found[3]["why"] == "shredded"
    assert b"bob" not in (tmp_path / "out" / "plain.jsonl").read_bytes()
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    shredded = keys.pseudonym("user", sealed.tenant, "ann")[:8]
    assert (page.count("<td>ann</td>"), page.count(f"<td>{shredded}</td>")) == (3, 1)
    assert verify(out, tmp_path / "out" / "verify.py").returncode == 0


def test_an_export_is_evidence_before_it_is_there(
    on_stack: Cli, sealed: Evidence, stack: Stack, keys: DataKeys, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"
    of = ("audit", "export", str(out), "--tenant", sealed.tenant, "--user", "bob")
    assert on_stack(*of, "--as", "vera").code == 0
    (event,) = told(stack.settings, sealed.tenant, types.AUDIT_READ)
    pseudonym = keys.pseudonym("user", sealed.tenant, "bob")
    assert event["user"] == "vera"
    assert event["data"]["what"] == "export"
    assert event["data"]["count"] == 2
    asked = {"tenant": sealed.tenant, "user": pseudonym, "open": False}
    assert event["data"]["selection"] == asked


def test_no_acknowledgement_no_export(
    on_stack: Cli, sealed: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA", "127.0.0.1:1")
    monkeypatch.setattr(access, "PATIENCE", 0.3)
    ran = on_stack("audit", "export", str(tmp_path / "bundle"), "--tenant", sealed.tenant)
    assert (ran.code, "did not acknowledge" in ran.err) == (2, True)
    assert not list(tmp_path.glob("*undle*"))


def test_what_is_there_is_not_written_over(
    on_stack: Cli, sealed: Evidence, stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for out, says in (
        (tmp_path, "is there already: name another"),
        (tmp_path / "nowhere" / "bundle", "its directory is not there: make it"),
        (tmp_path / "file" / "bundle", "cannot be written: Not a directory"),
    ):
        ran = on_stack("audit", "export", str(out), "--tenant", sealed.tenant)
        assert (ran.code, ran.err.count("\n"), says in ran.err) == (2, 1, True)
    assert told(stack.settings, sealed.tenant, types.AUDIT_READ) == []
