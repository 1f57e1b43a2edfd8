"""What the doctor says of the audit trail, of scrubbing and of who is being forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from headrace.cli.forget.request import Request, Requests
from headrace.sinks.audit.keys import DataKeys
from headrace.sinks.audit.keys.master import generate
from tests.cli.conftest import Cli, Stack
from tests.desk.evidence import Evidence


def told(cli: Cli, name: str) -> list[tuple[str, str]]:
    """Level and text of each check of a name."""
    return [(one["level"], one["text"]) for one in cli("doctor", "--json").objects
            if one["name"] == name]  # fmt: skip


def test_a_trail_that_is_well_is_well(on_stack: Cli, apart: Evidence, keys: DataKeys) -> None:
    apart.add("confirmation_resolved")
    apart.seal()
    ((level, text),) = told(on_stack, "audit policy")
    assert (level, text[:18]) == ("ok", "the shipped policy")
    ((level, text),) = told(on_stack, "audit keys")
    assert (level, text.startswith(f"{keys.where} opens")) == ("ok", True)
    vault = os.environ["HEADRACE_AUDIT_VAULT"]
    assert ("ok", f"{vault} has 1 log") in told(on_stack, "audit vault")
    assert told(on_stack, "scrub") == told(on_stack, "forget") == []


def test_a_policy_with_a_mistake_is_told(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text("[[rule]]\n")
    monkeypatch.setenv("HEADRACE_AUDIT_POLICY", str(policy))
    ((level, text),) = told(on_stack, "audit policy")
    assert level == "fail"
    assert text.startswith(f"{policy}:1: ")
    assert text.endswith("see `headrace audit policy check`")


@pytest.mark.usefixtures("keys")
def test_a_master_key_that_opens_nothing_is_told(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "master.key"
    monkeypatch.setenv("HEADRACE_AUDIT_MASTER_KEY_FILE", str(other))
    ((level, text),) = told(on_stack, "audit keys")
    assert (level, "is not there: restore it" in text) == ("fail", True)
    other.touch(mode=0o600)
    other.write_text(generate())
    ((level, text),) = told(on_stack, "audit keys")
    assert (level, "is wrapped by the master key" in text) == ("fail", True)


def test_where_no_evidence_is_kept_nothing_is_wrong(
    on_stack: Cli, cli: Cli, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA", stack.settings.need_kafka().bootstrap_servers)
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", stack.settings.need_clickhouse().url)
    ((level, text),) = told(cli, "audit keys")
    assert (level, text.startswith("none here: `headrace audit keys init`")) == ("ok", True)


@pytest.mark.parametrize(("where", "advice"), [
    ("ftp://acme/vault", "a vault is a directory or s3://bucket/prefix"),
    ("a file", "cannot be used: Not a directory: mount it, or correct HEADRACE_AUDIT_VAULT"),
    ("not mounted", "so it is not a vault: mount it, or run `headrace audit keys init`"),
])  # fmt: skip
def test_a_vault_that_cannot_be_used_is_told(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str, advice: str
) -> None:
    (tmp_path / "a file").touch()
    place = where if "://" in where else str(tmp_path / where)
    monkeypatch.setenv("HEADRACE_AUDIT_VAULT", place)
    ((level, text), *_) = told(on_stack, "audit vault")
    assert (level, advice in text) == ("fail", True)


def test_rules_that_scrub_are_read(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rules = tmp_path / "scrub.toml"
    monkeypatch.setenv("HEADRACE_SCRUB", str(rules))
    ((level, text),) = told(on_stack, "scrub")
    assert (level, "cannot be read" in text) == ("fail", True)
    rules.write_text('[[rule]]\ndetect = ["emial"]\n')
    ((level, text),) = told(on_stack, "scrub")
    assert (level, text.startswith(f"{rules}:2: ")) == ("fail", True)
    rules.write_text('[[rule]]\ndetect = ["email"]\n')
    assert told(on_stack, "scrub") == [("ok", f"{rules}: 1 rule")]


def test_a_request_that_was_interrupted_is_told(on_stack: Cli, stack: Stack) -> None:
    requests, request = Requests(stack.settings), Request.new("acme", "ann", None)
    with requests.locked():
        requests.save(request, "requested")
    try:
        ((level, text),) = told(on_stack, "forget")
        assert (level, text.startswith(f"{request.id} was interrupted")) == ("warn", True)
        ran = on_stack("forget", "status", request.id)
        assert (ran.code, "run `headrace forget`" in ran.err) == (2, True)
    finally:
        requests.path(request.id).unlink()


@pytest.mark.parametrize("name", ["HEADRACE_AUDIT_POLICY", "HEADRACE_SCRUB"])
def test_a_stack_that_could_not_run_begins_nothing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "bad.toml").write_text("[[rule]]\n")
    monkeypatch.setenv(name, str(tmp_path / "bad.toml"))
    ran = cli("up", "--state-dir", str(tmp_path / "state"))
    assert (ran.code, f"{tmp_path}/bad.toml:1: " in ran.err) == (2, True)
    assert not (tmp_path / "state").exists()
