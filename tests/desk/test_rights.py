"""The local ClickHouse's users, attacked: what is no reader's, no statement of theirs tells."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from tests.local_clickhouse.conftest import http
from tests.stack.clickhouse import LocalClickHouse, running_clickhouse

SECRET = "lapis-lazuli"
"""Stands in the evidence, and nowhere else."""

MADE = (
    "CREATE TABLE events_raw (tenant String, seq UInt64) ENGINE = MergeTree ORDER BY seq",
    (
        "CREATE TABLE audit_raw (tenant String, seq UInt64, leaf String, INDEX i leaf TYPE"
        " set(9) GRANULARITY 1, PROJECTION p (SELECT leaf, count() GROUP BY leaf))"
        " ENGINE = MergeTree ORDER BY (tenant, seq, leaf)"
    ),
    "CREATE VIEW audit SQL SECURITY INVOKER AS SELECT * FROM audit_raw",
    "CREATE VIEW innocent AS SELECT * FROM audit_raw",
    "CREATE MATERIALIZED VIEW audit_copy ENGINE = Log AS SELECT * FROM audit_raw",
    "CREATE MATERIALIZED VIEW copied ENGINE = Log AS SELECT * FROM audit_raw",
    "CREATE TABLE audit_memory (leaf String) ENGINE = Memory",
    "CREATE TABLE audit_join (seq UInt64, leaf String) ENGINE = Join(ANY, LEFT, seq)",
    "CREATE TABLE audit_set (leaf String) ENGINE = Set",
    "INSERT INTO events_raw VALUES ('acme', 1)",
    f"INSERT INTO audit_raw VALUES ('acme', 1, '{SECRET}-1'), ('globex', 2, '{SECRET}-2')",
    f"INSERT INTO audit_memory VALUES ('{SECRET}')",
    f"INSERT INTO audit_join VALUES (1, '{SECRET}')",
    f"INSERT INTO audit_set VALUES ('{SECRET}')",
)

ATTACKS = [
    "SELECT * FROM {evidence}",
    "SELECT leaf FROM headrace.{evidence}",
    'SELECT leaf FROM `headrace`."{evidence}"',
    "FROM {evidence} SELECT *",
    "SELECT COLUMNS('le') FROM {evidence}",
    "SELECT count() FROM {evidence}",
    "SELECT 1 FROM {evidence}",
    "SELECT max(leaf) FROM {evidence}",
    "SELECT (SELECT max(leaf) FROM {evidence})",
    "WITH x AS (SELECT * FROM {evidence}) SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT leaf FROM {evidence} UNION ALL SELECT * FROM x) SELECT * FROM x",
    "SELECT * FROM events_raw UNION ALL SELECT tenant, 1 FROM {evidence}",
    "SELECT * FROM events_raw FULL JOIN {evidence} USING seq",
    "SELECT * FROM events_raw, {evidence}",
    "SELECT * FROM numbers(1) ARRAY JOIN (SELECT groupArray(leaf) FROM {evidence}) AS a",
    "SELECT seq IN (SELECT seq FROM {evidence}) FROM events_raw",
    "SELECT '{secret}' IN headrace.{evidence}",
    "SELECT ('acme', 1, '{secret}-1') IN {evidence}",
    "SELECT EXISTS (SELECT 1 FROM {evidence} WHERE leaf LIKE '%{secret}%')",
    "SELECT * FROM merge('headrace', '^{evidence}$')",
    "SELECT * FROM merge('^{evidence}$')",
    "SELECT * FROM merge(REGEXP('head.*'), '^{evidence}$')",
    "SELECT * FROM view(SELECT * FROM {evidence})",
    "SELECT * FROM loop({evidence}) LIMIT 3",
    "SELECT * FROM loop('headrace', '{evidence}') LIMIT 3",
    "SELECT * FROM loop(view(SELECT * FROM {evidence})) LIMIT 3",
    "SELECT * FROM format(TSV, (SELECT any(leaf) FROM {evidence}))",
    "SELECT * FROM mergeTreeIndex('headrace', '{evidence}')",
    "SELECT * FROM mergeTreeIndex('headrace', '{evidence}', with_marks = true)",
    "SELECT * FROM mergeTreeProjection('headrace', '{evidence}', 'p')",
    "SELECT * FROM viewExplain('EXPLAIN', 'indexes = 1', (SELECT * FROM {evidence}))",
    "EXPLAIN SELECT * FROM {evidence} WHERE leaf = 'x'",
    "EXPLAIN indexes = 1 SELECT * FROM {evidence} WHERE leaf = 'x'",
    "EXPLAIN ESTIMATE SELECT * FROM {evidence}",
    "EXPLAIN PIPELINE SELECT * FROM {evidence}",
    "EXPLAIN QUERY TREE SELECT * FROM {evidence}",
    "DESCRIBE {evidence}",
    "DESCRIBE (SELECT * FROM {evidence})",
    "SHOW CREATE TABLE {evidence}",
    "EXISTS TABLE {evidence}",
    "CHECK TABLE {evidence}",
    "SELECT hasColumnInTable('headrace', '{evidence}', 'leaf')",
    "SELECT joinGet('headrace.{evidence}', 'leaf', toUInt64(1))",
    "SELECT joinGetOrNull('{evidence}', 'leaf', toUInt64(1))",
    "CREATE TEMPORARY TABLE t AS SELECT * FROM {evidence}",
    "CREATE TEMPORARY TABLE t (leaf String) ENGINE = Merge('headrace', '{evidence}')",
    "CREATE VIEW v AS SELECT * FROM {evidence}",
    "CREATE VIEW v DEFINER = default SQL SECURITY DEFINER AS SELECT * FROM {evidence}",
    "CREATE MATERIALIZED VIEW v ENGINE = Memory POPULATE AS SELECT * FROM {evidence}",
    "INSERT INTO events_raw SELECT leaf, 1 FROM {evidence}",
    "INSERT INTO FUNCTION null('leaf String') SELECT leaf FROM {evidence}",
    "RENAME TABLE {evidence} TO mine",
    "EXCHANGE TABLES {evidence} AND events_raw",
    "ALTER TABLE events_raw ATTACH PARTITION tuple() FROM {evidence}",
    "SET ROLE writer",
    "SET ROLE audit_reader",
    "SET ROLE ALL",
    "SET ROLE DEFAULT",
    "SET /* x */ role audit_reader",
    "SET DEFAULT ROLE audit_reader TO default",
    "EXECUTE AS default",
    "EXECUTE AS default SELECT * FROM {evidence}",
    "GRANT SELECT ON headrace.{evidence} TO default",
    "GRANT audit_reader TO default",
    "CREATE ROW POLICY p ON headrace.{evidence} USING 1 TO ALL",
    "SELECT * FROM system.grants",
    "SELECT * FROM system.row_policies",
]

EVIDENCE = ["audit_raw", "audit", "audit_copy", "audit_memory", "audit_join", "audit_set"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    with running_clickhouse(tmp_path_factory.mktemp("rights")) as found:
        fill(found)
        yield found


def fill(server: LocalClickHouse) -> None:
    with http(server, "writer") as writer:
        for sql in MADE:
            answer = writer.post("/", content=sql)
            assert answer.status_code == 200, (sql, answer.text)


@pytest.fixture
def reader(server: LocalClickHouse) -> Iterator[httpx.Client]:
    with http(server, "reader") as client:
        yield client


@pytest.fixture
def auditor(server: LocalClickHouse) -> Iterator[httpx.Client]:
    with http(server, "audit_reader") as client:
        yield client


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_statement_tells_a_reader_of_evidence(reader: httpx.Client, attack: str) -> None:
    """Refused, whatever the table; a session or a role asked for does not make it less so."""
    more = {"session_id": "attack", "role": "audit_reader"}
    for evidence, params in [*((one, {}) for one in EVIDENCE), (EVIDENCE[0], more)]:
        sql = attack.replace("{evidence}", evidence).replace("{secret}", SECRET)
        answer = reader.post("/", params=params, content=sql)
        assert answer.status_code != 200, (sql, answer.text)
        assert f"{SECRET}-2" not in answer.text


def test_what_is_made_of_evidence_is_as_closed_under_another_name(
    reader: httpx.Client, server: LocalClickHouse
) -> None:
    for name in ("innocent", "copied"):
        assert reader.post("/", content=f"SELECT * FROM {name}").status_code == 403
    with http(server, "writer") as writer:
        found = writer.post("/", content="SELECT name FROM system.tables WHERE name LIKE '.inner%'")
    inner = found.text.split()
    assert len(inner) == 2
    for name in inner:
        answer = reader.post("/", content=f"SELECT * FROM `{name}`")
        assert (answer.status_code, SECRET in answer.text) == (403, False)


def test_no_list_names_evidence_to_a_reader(reader: httpx.Client) -> None:
    """Not even that it is there: neither its tables, nor what its parts and indices hold."""
    tables = reader.post("/", content="SHOW TABLES").text.split()
    assert tables == ["copied", "events_raw", "innocent"]
    listing = reader.post(
        "/",
        content="SELECT DISTINCT table FROM system.columns"
        " WHERE database = 'system' AND name = 'table'",
    )
    looked = 0
    for name in listing.text.split():
        answer = reader.post(
            "/", content=f"SELECT * FROM system.`{name}` WHERE table LIKE 'audit%' FORMAT TSV"
        )
        assert answer.status_code in (403, 404) or answer.text == "", (name, answer.text)
        looked += answer.status_code == 200
    assert looked > 5
    for sql in (
        "SHOW TABLES LIKE 'audit%'",
        "SHOW COLUMNS FROM audit_raw",
        "SHOW INDEX FROM audit_raw",
        "SELECT * FROM information_schema.tables WHERE table_name LIKE 'audit%'",
        "SELECT * FROM viewIfPermitted(SELECT leaf FROM audit_raw ELSE null('leaf String'))",
        "SELECT leaf FROM merge('headrace', 'audit|events_raw')",
    ):
        answer = reader.post("/", content=sql)
        assert SECRET not in answer.text
        assert answer.text == "" or answer.status_code != 200, sql


@pytest.mark.parametrize("user", ["reader", "audit_reader"])
def test_nobody_sees_what_others_ask(server: LocalClickHouse, user: str) -> None:
    """A failed conversion stands in ``system.errors`` with the value that failed."""
    with http(server, "writer") as writer, http(server, user) as client:
        writer.post("/", content="SELECT toUInt64(leaf) FROM audit_raw")
        assert SECRET in writer.post("/", content="SELECT * FROM system.errors").text
        for sql in (
            "SELECT * FROM system.errors",
            "SHOW PROCESSLIST",
            "SELECT * FROM system.user_processes",
            "SELECT * FROM system.query_cache",
            "SELECT * FROM system.user_query_log",
            "SELECT last_error_message FROM merge('system', '^errors$')",
            "SELECT last_error_message FROM view(SELECT * FROM system.errors)",
            "SELECT last_error_message FROM loop(system.errors) LIMIT 1",
        ):
            answer = client.post("/", content=sql)
            assert answer.status_code != 200 or answer.text == "", (sql, answer.text)
            assert SECRET not in answer.text
            inside = client.post("/", params={"database": "system"}, content=sql)
            assert inside.status_code != 200 or inside.text == "", (sql, inside.text)


def test_a_cached_answer_is_its_askers(reader: httpx.Client, auditor: httpx.Client) -> None:
    sql = "SELECT leaf FROM audit_raw SETTINGS use_query_cache = 1"
    assert SECRET in auditor.post("/", content=sql).text
    answer = reader.post("/", content=sql)
    assert (answer.status_code, SECRET in answer.text) == (403, False)


def test_an_audit_reader_reads_evidence_and_what_a_reader_does(auditor: httpx.Client) -> None:
    for name in ("audit", "audit_raw", "audit_copy", "audit_memory", "audit_join"):
        assert SECRET in auditor.post("/", content=f"SELECT * FROM {name}").text
    assert auditor.post("/", content="SELECT * FROM events_raw").text == "acme\t1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO audit_raw VALUES ('acme', 9, 'forged')",
        "ALTER TABLE audit_raw DELETE WHERE 1",
        "DELETE FROM audit_raw WHERE 1",
        "TRUNCATE TABLE audit_raw",
        "DROP TABLE audit_raw",
        "OPTIMIZE TABLE audit_raw FINAL",
        "SET ROLE writer",
        "SET readonly = 0",
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    ],
)
def test_an_audit_reader_changes_nothing(auditor: httpx.Client, sql: str) -> None:
    assert auditor.post("/", content=sql).status_code != 200
    assert auditor.post("/", content="SELECT count() FROM audit_raw").text == "2\n"


def test_a_session_is_its_users(reader: httpx.Client, auditor: httpx.Client) -> None:
    session = {"session_id": "shared"}
    assert auditor.post("/", params=session, content="SELECT count() FROM audit").text == "2\n"
    assert reader.post("/", params=session, content="SELECT count() FROM audit").status_code == 403


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """A server whose audit_reader may read one tenant's evidence."""
    directory = tmp_path_factory.mktemp("narrow")
    words = {"reader": "r", "audit_reader": "a", "writer": "w", "audit_reader_tenants": ["globex"]}
    (directory / "credentials.json").touch(mode=0o600)
    (directory / "credentials.json").write_text(json.dumps(words))
    with running_clickhouse(directory) as found:
        schema.apply(ClickHouseSettings(found.writer_url))
        with http(found, "writer") as writer:
            for sql in ("CREATE VIEW innocent AS SELECT * FROM audit_raw", f"{ROWS} {two_rows()}"):
                answer = writer.post("/", content=sql)
                assert answer.status_code == 200, answer.text
        yield found


ROWS = "INSERT INTO audit_raw FORMAT JSONEachRow"


def two_rows() -> str:
    """A row each of acme and globex, with the secret that ends in 1 or 2."""
    clear = {"log": "0" * 16 + "-0", "kind": "event", "ts": 1.5, "type": "x", "class": "approval"}
    rows = (
        clear | {"tenant": tenant, "index": number, "leaf": f"{SECRET}-{number}"}
        for number, tenant in ((1, "acme"), (2, "globex"))
    )
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT leaf FROM audit",
        "SELECT leaf FROM audit_raw",
        "SELECT leaf FROM audit_raw WHERE tenant = 'acme' OR 1",
        "SELECT leaf FROM merge('headrace', '^audit_raw$')",
        "SELECT max(leaf) FROM audit_raw",
        "SELECT leaf FROM innocent",
        "SELECT leaf FROM loop(audit_raw) LIMIT 4",
        "SELECT leaf FROM mergeTreeIndex('headrace', 'audit_raw')",
        "SELECT leaf FROM audit FINAL",
        "SELECT leaf, count() FROM audit_raw GROUP BY leaf",
        "SELECT leaf FROM audit_raw SETTINGS additional_table_filters = {'audit_raw': '1'}",
        "SELECT leaf FROM audit_raw PREWHERE sleepEachRow(0) = 0",
    ],
)
def test_an_audit_reader_of_one_tenant_reads_no_other(narrow: LocalClickHouse, sql: str) -> None:
    with http(narrow, "audit_reader") as auditor:
        assert f"{SECRET}-1" not in auditor.post("/", content=sql).text
        assert auditor.post("/", content="SELECT leaf FROM audit").text == f"{SECRET}-2\n"
    with http(narrow, "writer") as writer:
        assert writer.post("/", content="SELECT count() FROM audit_raw").text == "2\n"
    with http(narrow, "reader") as reader:
        assert reader.post("/", content=sql).status_code != 200
