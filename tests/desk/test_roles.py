"""Who may read evidence: the statements for a server, and what the local stack keeps instead.

No ClickHouse server runs here. The statements are read by ClickHouse's own parser in chDB; that a
row policy holds through the view, for the role that it names, is tried there, too (test_rights).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.cli.audit import roles
from headrace.events.settings import AuditSettings, ClickHouseSettings, Settings
from headrace.local.state_dir import StateDir
from tests.cli.conftest import Cli
from tests.local_clickhouse.conftest import http
from tests.stack.clickhouse import LocalClickHouse, running_clickhouse

URL = "http://admin:secret@clickhouse.example:8123/records"


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("roles")) as found:
        yield found


def settings(tmp_path: Path, cluster: str | None = None, url: str | None = None) -> Settings:
    return Settings(
        state_dir=tmp_path,
        clickhouse=ClickHouseSettings(URL, cluster),
        audit=AuditSettings(clickhouse_url=url),
    )


def statements(given: Settings, user: str | None = None, tenants: Sequence[str] = ()) -> list[str]:
    return roles.statements(given, roles.asked(given, user, tenants))


@pytest.mark.parametrize("cluster", [None, "main"])
@pytest.mark.parametrize("tenants", [(), ("acme",), ("o'hara", "back\\slash")])
@pytest.mark.parametrize("user", ["audit_reader", "we`ird \\ user"])
def test_clickhouse_itself_can_read_each_statement(
    private: LocalClickHouse,
    tmp_path: Path,
    cluster: str | None,
    tenants: tuple[str, ...],
    user: str,
) -> None:
    given = settings(tmp_path, cluster, "http://audit_reader:word@clickhouse.example/records")
    with http(private, "reader") as reader:
        for sql in statements(given, user, tenants):
            bound = {"param_sql": sql.replace("\\", "\\\\")}
            answer = reader.post("/", params=bound, content="SELECT formatQuery({sql:String})")
            assert answer.status_code == 200, (sql, answer.text)
            assert ("ON CLUSTER" in answer.text) == (cluster is not None)


def test_policies_stand_before_anybody_is_granted_anything(tmp_path: Path) -> None:
    made = statements(settings(tmp_path, url="http://vera:word@x/records"), tenants=["acme"])
    digest = hashlib.sha256(b"word").hexdigest()
    policy, on = "CREATE ROW POLICY OR REPLACE", "ON records.audit_raw FOR SELECT"
    assert made == [
        "CREATE ROLE IF NOT EXISTS headrace_audit",
        f"CREATE USER IF NOT EXISTS `vera` IDENTIFIED WITH sha256_hash BY '{digest}'",
        f"{policy} headrace_audit_others {on} USING 1 TO ALL EXCEPT headrace_audit",
        f"{policy} `headrace_audit_vera` {on} USING tenant IN ('acme') TO `vera`",
        "GRANT SELECT ON records.audit_raw TO headrace_audit",
        "GRANT SELECT ON records.audit TO headrace_audit",
        "GRANT headrace_audit TO `vera`",
    ]


def test_another_user_is_not_given_that_ones_password(tmp_path: Path) -> None:
    given = settings(tmp_path, url="http://vera:word@x/records")
    assert not any("IDENTIFIED" in sql for sql in statements(given, "bob"))
    assert not any("IDENTIFIED" in sql for sql in statements(replace(given, audit=AuditSettings())))


def test_the_statements_can_be_looked_at(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", URL)
    ran = cli("audit", "roles", "--user", "vera", "--tenant", "acme", "--sql")
    assert ran.code == 0
    assert all(line.endswith(";") for line in ran.out.splitlines())
    assert "secret" not in ran.out


@pytest.mark.parametrize(
    ("view", "complaint"),
    [
        (None, "headrace schema apply"),
        ("CREATE VIEW audit DEFINER = default SQL SECURITY DEFINER AS SELECT 1", "reader's rights"),
        # A server that lets this user manage no access, as this one lets nobody.
        ("CREATE VIEW audit SQL SECURITY INVOKER AS SELECT 1", "not available here"),
    ],
)
def test_what_would_not_hold_is_not_done(
    cli: Cli,
    private: LocalClickHouse,
    monkeypatch: pytest.MonkeyPatch,
    view: str | None,
    complaint: str,
) -> None:
    with http(private, "writer") as writer:
        writer.post("/", content="DROP VIEW IF EXISTS audit")
        if view:
            assert writer.post("/", content=view).status_code == 200
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", private.writer_url)
    monkeypatch.setenv("HEADRACE_AUDIT_CLICKHOUSE_URL", private.audit_reader_url)
    ran = cli("audit", "roles", "--everyone")
    assert (ran.code, complaint in ran.err, len(ran.err.splitlines())) == (2, True, 1)
    assert private.audit_reader_password not in ran.err


def test_the_local_stacks_own_reader_is_kept_to_tenants(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_STATE_DIR", str(tmp_path))
    words = StateDir(tmp_path).credentials()
    stack = {"clickhouse": f"http://reader:{words['reader']}@127.0.0.1:1/headrace"}
    (tmp_path / "stack.json").write_text(json.dumps(stack))
    kept = tmp_path / "credentials.json"
    ran = cli("audit", "roles", "--tenant", "globex", "--tenant", "acme")
    assert (ran.code, "next `headrace up`" in ran.out) == (0, True)
    assert json.loads(kept.read_text()) == {**words, "audit_reader_tenants": ["acme", "globex"]}
    assert kept.stat().st_mode & 0o777 == 0o600
    assert StateDir(tmp_path).credentials() == words
    assert "next" not in cli("audit", "roles", "--tenant", "acme", "--tenant", "globex").out
    assert cli("audit", "roles", "--everyone").code == 0
    assert json.loads(kept.read_text()) == words
    assert cli("audit", "roles", "--everyone", "--user", "vera").code == 2


def test_whose_evidence_must_be_said(cli: Cli) -> None:
    for given in ((), ("--everyone", "--tenant", "acme")):
        ran = cli("audit", "roles", "--sql", *given)
        assert ran.code == 2
        assert "--tenant for each, or --everyone" in ran.err
