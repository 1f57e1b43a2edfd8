"""Every refusal of DESIGN.md, tried on a running server by both users."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from headrace.local.clickhouse.guard import TABLE_FUNCTIONS
from tests.local_clickhouse.conftest import http
from tests.stack.clickhouse import LocalClickHouse

REACHES_OUT = [
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM FiLe('/etc/passwd', 'LineAsString')",
    "SELECT * FROM file /* x */ ('/etc/passwd', 'LineAsString')",
    "SELECT * FROM file -- x\n ('/etc/passwd', 'LineAsString')",
    "SELECT * FROM `file`('/etc/passwd', 'LineAsString')",
    "SELECT * FROM \"file\"('/etc/passwd', 'LineAsString')",
    r"SELECT * FROM `fi\x6ce`('/etc/passwd', 'LineAsString')",
    "SELECT $a$ ' $a$, * FROM file('/etc/passwd') -- '",
    "SELECT '\\'', * FROM file('/etc/passwd') -- '",
    "WITH x AS (SELECT * FROM file('/etc/passwd')) SELECT * FROM x",
    "SELECT * FROM numbers(1) WHERE number IN (SELECT 1 FROM url('http://127.0.0.1:1/', CSV))",
    "SELECT * FROM view(SELECT * FROM url('http://127.0.0.1:1/', CSV))",
    "SELECT * FROM loop(file('/etc/passwd'))",
    "EXPLAIN SELECT * FROM file('/etc/passwd')",
    "DESCRIBE TABLE file('/etc/passwd')",
    "DESCRIBE file('/etc/passwd')",
    "SELECT file('/etc/passwd')",
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM fileCluster('c', '/etc/passwd')",
    "SELECT * FROM urlCluster('c', 'http://127.0.0.1:1/')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM s3('http://127.0.0.1:1/b/k')",
    "SELECT * FROM gcs('http://127.0.0.1:1/b/k')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/k', 'CSV')",
    "SELECT * FROM azureBlobStorage('x')",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a Int')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k Int')",
    "SELECT * FROM sqlite('/tmp/x', 't')",
    "SELECT * FROM jdbc('x', 't')",
    "SELECT * FROM odbc('x', 't')",
    "SELECT * FROM executable('id', 'CSV', 'a String')",
    "SELECT * FROM iceberg('x')",
    "SELECT * FROM deltaLake('x')",
    "SELECT * FROM dictionary('d')",
    "SELECT * FROM Python(credentials)",
    "SELECT * FROM python(credentials)",
    "SELECT * FROM filesystem('/etc')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM arrowstream('x')",
    "SELECT aiGenerate('x')",
    "SELECT 1 INTO OUTFILE '{path}'",
    "SELECT 1 INTO/**/OUTFILE '{path}' TRUNCATE FORMAT CSV",
    "INSERT INTO {table} FROM INFILE '/etc/passwd' FORMAT LineAsString",
    "INSERT INTO FUNCTION file('{path}', 'CSV', 'a Int') VALUES (1)",
    "INSERT INTO TABLE FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a Int') VALUES (1)",
    "INSERT INTO {table} SELECT 1, line FROM file('/etc/passwd', 'LineAsString')",
    "CREATE TABLE x (a Int) ENGINE = File(CSV)",
    "CREATE TABLE x (a Int) ENGINE = URL('http://127.0.0.1:1/', 'CSV')",
    "CREATE TABLE x (a Int) ENGINE = Executable('id', 'CSV')",
    "CREATE TABLE x (a Int) ENGINE Executable('id', 'CSV')",
    "CREATE TABLE x (a Int) ENGINE = `Executable`('id', 'CSV')",
    "CREATE TABLE x (a Int) ENGINE = ExecutablePool('id', 'CSV')",
    "CREATE TABLE x (a Int) ENGINE = S3('http://127.0.0.1:1/b/k')",
    "CREATE TABLE x (a Int) ENGINE = MySQL('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "CREATE TABLE x (a Int) ENGINE = Kafka",
    "CREATE TABLE x (a Int) ENGINE = Distributed('c', 'd', 't')",
    "CREATE TABLE x (a UInt64) ENGINE = Dictionary(d)",
    (
        "CREATE TABLE x (a Int) ENGINE = MergeTree ORDER BY a SETTINGS disk = disk(type = local,"
        " path = '/tmp/x/')"
    ),
    "CREATE TABLE x AS file('/etc/passwd')",
    "CREATE TABLE x ENGINE = Memory AS SELECT * FROM url('http://127.0.0.1:1/', CSV)",
    "CREATE VIEW x AS SELECT * FROM url('http://127.0.0.1:1/', CSV)",
    "CREATE MATERIALIZED VIEW x ENGINE = File(CSV) AS SELECT 1",
    "CREATE DATABASE x ENGINE = Filesystem('/etc')",
    "CREATE DATABASE x ENGINE = MySQL('127.0.0.1:1', 'd', 'u', 'p')",
    (
        "CREATE DICTIONARY x (a UInt64) PRIMARY KEY a SOURCE(HTTP(url 'http://127.0.0.1:1' format"
        " 'TSV')) LAYOUT(FLAT()) LIFETIME(1)"
    ),
    (
        "CREATE OR REPLACE DICTIONARY x (a UInt64) PRIMARY KEY a SOURCE(FILE(path '/etc/passwd'"
        " format 'TSV')) LAYOUT(FLAT()) LIFETIME(1)"
    ),
    "CREATE FUNCTION f AS x -> x",
    "CREATE NAMED COLLECTION x AS a = 1",
    "CREATE USER x",
    "GRANT ALL ON *.* TO default",
    "ATTACH TABLE x FROM '/tmp' (a Int) ENGINE = MergeTree ORDER BY a",
    "BACKUP TABLE {table} TO Disk('default', 'b')",
    "RESTORE TABLE {table} FROM Disk('default', 'b')",
    "ALTER TABLE {table} FREEZE",
    "SYSTEM SHUTDOWN",
    "SYSTEM KILL",
    "SYSTEM RELOAD CONFIG",
    "SELECT * FROM system.users",
]

REFUSALS = {"497", "164", "60", "62"}
"""Denied, readonly, and for what a path alone would be: no such table, no such syntax."""


@pytest.mark.parametrize("user", ["reader", "writer"])
@pytest.mark.parametrize("sql", REACHES_OUT)
def test_nobody_reaches_out_of_the_database(
    clickhouse_server: LocalClickHouse, table: str, tmp_path: Path, user: str, sql: str
) -> None:
    target = tmp_path / "out"
    sql = sql.replace("{table}", table).replace("{path}", str(target))
    with http(clickhouse_server, user) as client:
        answer = client.post("/", content=sql)
        in_url = client.post("/", params={"query": sql})
    for found in (answer, in_url):
        assert found.status_code != 200, found.text
        assert found.headers["X-ClickHouse-Exception-Code"] in REFUSALS, found.text
        assert "root:" not in found.text
    assert not target.exists()


def test_each_table_function_that_is_not_allowed_is_refused(writer: httpx.Client) -> None:
    names = writer.post("/", content="SELECT name FROM system.table_functions").text.split()
    assert "file" in names
    for name in names:
        answer = writer.post("/", content=f"SELECT * FROM {name}('x')")
        refused = "is not available here" in answer.text
        assert refused == (name.lower() not in TABLE_FUNCTIONS), (name, answer.text)


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {table} VALUES (1, 'x')",
        "INSERT INTO FUNCTION null('a Int') VALUES (1)",
        "CREATE TABLE x (a Int) ENGINE = Memory",
        "CREATE TEMPORARY TABLE x (a Int)",
        "DROP TABLE {table}",
        "TRUNCATE TABLE {table}",
        "ALTER TABLE {table} ADD COLUMN b Int",
        "ALTER TABLE {table} DELETE WHERE 1",
        "DELETE FROM {table} WHERE 1",
        "OPTIMIZE TABLE {table} FINAL",
        "RENAME TABLE {table} TO y",
        "KILL QUERY WHERE 1",
        "SYSTEM STOP MERGES",
        "SET readonly = 0",
        "SELECT 1 SETTINGS readonly = 0",
        "SELECT 1 SETTINGS max_memory_usage = 0",
        "SET max_memory_usage = 0",
        "SET max_execution_time = 0",
        "/* SELECT */ DROP TABLE {table}",
        "-- SELECT\nDROP TABLE {table}",
        "EXPLAIN SELECT 1; DROP TABLE {table}",
    ],
)
def test_a_reader_changes_nothing(reader: httpx.Client, table: str, sql: str) -> None:
    answer = reader.post("/", content=sql.replace("{table}", table))
    assert answer.status_code != 200
    assert answer.headers["X-ClickHouse-Exception-Code"] in ("164", "452", "62"), answer.text
    assert reader.post("/", content=f"EXISTS {table}").text == "1\n"


def test_a_reader_may_not_send_what_the_server_owns(reader: httpx.Client) -> None:
    for name in ("readonly", "READONLY", "log_comment"):
        assert reader.get("/", params={"query": "SELECT 1", name: "0"}).status_code == 403


def test_a_reader_may_ask_to_be_what_it_is(reader: httpx.Client, writer: httpx.Client) -> None:
    asked = {"query": "SELECT getSetting('readonly')", "readonly": "2"}
    assert reader.get("/", params=asked).text == "2\n"
    assert reader.get("/", params=asked | {"readonly": "1"}).status_code == 403
    assert writer.get("/", params=asked).status_code == 403


def test_one_request_is_one_statement(writer: httpx.Client, table: str) -> None:
    answer = writer.post("/", content=f"SELECT 1; DROP TABLE {table}")
    assert answer.headers["X-ClickHouse-Exception-Code"] == "62"
    assert writer.post("/", content="SELECT 1;").text == "1\n"
    assert writer.post("/", content=f"EXISTS {table}").text == "1\n"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'file(1)', \"file\" FROM (SELECT 1 AS file)",
        "SELECT $$ INTO OUTFILE $$",
        "SELECT 1 -- file('/etc/passwd')",
        "SELECT * FROM numbers(2)",
        "SELECT * FROM values('a Int', 1)",
        "SELECT * FROM generateRandom('a Int') LIMIT 1",
        "SELECT count() FROM system.tables",
        "SHOW TABLES",
        "DESCRIBE TABLE system.one",
        "EXISTS TABLE nothing",
        "EXPLAIN SELECT 1",
        "SELECT 1 SETTINGS max_threads = 1",
        "(SELECT 1)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SHOW CREATE TABLE {table}",
        "SELECT 1 FORMAT JSON",
        "SELECT 1 FORMAT JSON SETTINGS max_threads = 1",
    ],
)
def test_a_reader_reads(reader: httpx.Client, table: str, sql: str) -> None:
    answer = reader.post("/", content=sql.replace("{table}", table))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE IF NOT EXISTS {table}_2 (a Int) ENGINE = ReplacingMergeTree ORDER BY a",
        "CREATE OR REPLACE VIEW {table}_v AS SELECT * FROM {table}",
        "CREATE MATERIALIZED VIEW {table}_m REFRESH EVERY 1 HOUR ENGINE = Memory AS SELECT 1",
        "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS file String",
        "ALTER TABLE {table} MODIFY TTL toDateTime(n) + INTERVAL 1 DAY",
        "OPTIMIZE TABLE {table} FINAL",
        "INSERT INTO {table} (n) SELECT number FROM numbers(3)",
        "DELETE FROM {table} WHERE n = 1",
        "TRUNCATE TABLE {table}",
        "SET max_threads = 1",
    ],
)
def test_the_writer_does_what_migrations_and_workers_need(
    writer: httpx.Client, table: str, sql: str
) -> None:
    answer = writer.post("/", content=sql.replace("{table}", table))
    assert answer.status_code == 200, answer.text
    for ending in ("_2", "_v", "_m"):
        writer.post("/", content=f"DROP TABLE IF EXISTS {table}{ending} SYNC")
