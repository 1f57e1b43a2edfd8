"""INSERT in its many shapes, and what it answers."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.local_clickhouse.conftest import curl, http, url
from tests.stack.clickhouse import LocalClickHouse
from tests.support import unique


@pytest.mark.programs
def test_curl_asks_and_inserts(clickhouse_server: LocalClickHouse, table: str) -> None:
    rows = '{"n": 1, "text": "a"}\n{"n": 2, "text": "b"}\n'
    insert = url(clickhouse_server, f"/?query=INSERT+INTO+{table}+FORMAT+JSONEachRow")
    assert curl(clickhouse_server, insert, "--data-binary", rows, user="writer") == ""
    asked = curl(
        clickhouse_server, url(clickhouse_server), "-d", f"SELECT * FROM {table} ORDER BY n"
    )
    assert asked == "1\ta\n2\tb\n"


def test_the_summary_counts(writer: httpx.Client, table: str) -> None:
    done = writer.post("/", content=f"INSERT INTO {table} FORMAT JSONEachRow\n" + '{"n":1}' * 3)
    assert json.loads(done.headers["X-ClickHouse-Summary"])["written_rows"] == "3"
    asked = writer.post("/", content=f"SELECT n FROM {table}")
    found = json.loads(asked.headers["X-ClickHouse-Summary"])
    assert (found["read_rows"], found["result_rows"]) == ("3", "3")
    select = writer.post("/", content=f"INSERT INTO {table} (n) SELECT number FROM numbers(5)")
    assert json.loads(select.headers["X-ClickHouse-Summary"])["written_rows"] == "5"


def test_a_bad_row_inserts_nothing_and_says_where(writer: httpx.Client, table: str) -> None:
    rows = "".join(f'{{"n": {n}, "text": "x"}}\n' for n in range(1_000)) + '{"n": "bad"}\n'
    answer = writer.post("/", content=f"INSERT INTO {table} FORMAT JSONEachRow\n{rows}")
    assert answer.status_code == 400
    assert answer.headers["X-ClickHouse-Exception-Code"] in ("6", "27", "72", "117")
    assert "row 1001" in answer.text
    assert writer.post("/", content=f"SELECT count() FROM {table}").text == "0\n"


def test_a_bad_row_is_blamed_also_where_what_is_quoted_ends_within_a_sign(
    writer: httpx.Client, table: str
) -> None:
    for shift in range(4):
        row = '{"n": 1, "text": "a" ' + "b" * shift + "\N{WATER WAVE}" * 500 + "}"
        answer = writer.post("/", content=f"INSERT INTO {table} FORMAT JSONEachRow\n{row}")
        assert answer.headers["X-ClickHouse-Exception-Code"] == "27"
        assert "\N{WATER WAVE}" in answer.text


def test_get_does_not_change_data(clickhouse_server: LocalClickHouse, table: str) -> None:
    with http(clickhouse_server, "writer") as client:
        answer = client.get("/", params={"query": f"TRUNCATE TABLE {table}"})
        assert answer.headers["X-ClickHouse-Exception-Code"] == "164"
        answer = client.get("/", params={"query": f"INSERT INTO {table} VALUES (1, 'x')"})
        assert answer.headers["X-ClickHouse-Exception-Code"] == "164"


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("INSERT INTO {t} VALUES", "(1, 'it''s;'), (2, '(')"),
        ("INSERT INTO {t} (n, text) FORMAT Values", " (1, 'it''s;'), (2, '(')"),
        ("INSERT INTO {t} FORMAT CSV", "\n1,it's;\n2,(\n"),
        ("INSERT INTO {t} (text, n) FORMAT TSV", "\nit's;\t1\n(\t2\n"),
        ("/* c */ insert into {t} format TSV\r", "\n1\tit's;\n2\t(\n"),
        ("INSERT INTO {t} SETTINGS max_insert_block_size = 10 FORMAT CSV", "\n1,it's;\n2,(\n"),
        (
            "INSERT INTO `{t}` (`n`, `text`) FORMAT JSONEachRow ",
            '{"n":1,"text":"it\'s;"}{"n":2,"text":"("}',
        ),
        ("INSERT INTO headrace.{t} (* EXCEPT(text)) FORMAT CSV", "\n1\n2\n"),
    ],
)
def test_inserts_of_many_shapes(writer: httpx.Client, table: str, head: str, rows: str) -> None:
    head = head.replace("{t}", table)
    for send in (
        {"content": head + rows},
        {"params": {"query": head}, "content": rows.lstrip("\n")},
    ):
        answer = writer.post("/", **send)
        assert answer.status_code == 200, answer.text
    found = writer.post("/", content=f"SELECT n, text FROM {table} ORDER BY n").text
    texts = ("", "") if "EXCEPT" in head else ("it\\'s;", "(")
    assert found == f"1\t{texts[0]}\n" * 2 + f"2\t{texts[1]}\n" * 2


def test_json_columns(writer: httpx.Client) -> None:
    name = unique("j").replace("-", "_")
    sql = (
        f"CREATE TABLE {name} (n Int, data String, j Nullable(JSON) MATERIALIZED"
        " accurateCastOrNull(data, 'JSON')) ENGINE = ReplacingMergeTree ORDER BY n"
    )
    assert writer.post("/", content=sql).status_code == 200
    rows = [{"n": 1, "data": '{"a":{"b":5}}'}, {"n": 2, "data": '{"a.b":1,"a":{"b":2}}'}]
    body = "".join(json.dumps(row) for row in rows)
    assert (
        writer.post("/", content=f"INSERT INTO {name} FORMAT JSONEachRow {body}").status_code == 200
    )
    assert (
        writer.post("/", content=f"SELECT n, j.a.b FROM {name} ORDER BY n").text == "1\t5\n2\t\\N\n"
    )
    writer.post("/", content=f"DROP TABLE {name} SYNC")
