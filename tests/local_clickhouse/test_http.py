"""The interface as curl and any HTTP client see it."""

from __future__ import annotations

import gzip
import json
import subprocess
import zlib
from pathlib import Path

import httpx
import lz4.frame  # type: ignore[import-untyped]
import pytest
from backports import zstd

from tests.local_clickhouse.conftest import http
from tests.stack.clickhouse import LocalClickHouse
from tests.support import unique


def curl(server: LocalClickHouse, *arguments: str, user: str = "reader") -> str:
    password = server.writer_password if user == "writer" else server.reader_password
    command = ["curl", "-sS", "--noproxy", "*", "--max-time", "60", "-u", f"{user}:{password}"]
    done = subprocess.run([*command, *arguments], capture_output=True, check=True)
    return done.stdout.decode()


def url(server: LocalClickHouse, path: str = "/") -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def test_curl_asks_and_inserts(clickhouse_server: LocalClickHouse, table: str) -> None:
    rows = '{"n": 1, "text": "a"}\n{"n": 2, "text": "b"}\n'
    insert = url(clickhouse_server, f"/?query=INSERT+INTO+{table}+FORMAT+JSONEachRow")
    assert curl(clickhouse_server, insert, "--data-binary", rows, user="writer") == ""
    asked = curl(
        clickhouse_server, url(clickhouse_server), "-d", f"SELECT * FROM {table} ORDER BY n"
    )
    assert asked == "1\ta\n2\tb\n"


def test_curl_unpacks_what_it_asked_for(clickhouse_server: LocalClickHouse) -> None:
    query = "/?enable_http_compression=1&query=SELECT+number+FROM+numbers(100000)"
    found = curl(clickhouse_server, "--compressed", url(clickhouse_server, query))
    assert found.split() == [str(n) for n in range(100_000)]


def test_ping_needs_no_password(clickhouse_server: LocalClickHouse) -> None:
    for path in ("/ping", "/replicas_status", "/"):
        assert httpx.get(url(clickhouse_server, path), trust_env=False).text == "Ok.\n"
    assert httpx.get(url(clickhouse_server, "/play"), trust_env=False).status_code == 404


def test_a_form_carries_query_and_parameters(reader: httpx.Client) -> None:
    fields = {"query": (None, "SELECT {x:String}"), "param_x": (None, "it's")}
    assert reader.post("/", files=fields).text == "it\\'s\n"


def test_query_and_body_are_one_text(reader: httpx.Client) -> None:
    assert reader.post("/", params={"query": "SELECT"}, content="1 + 1").text == "2\n"


@pytest.mark.parametrize(
    ("params", "headers", "expected"),
    [
        ({"default_format": "CSV"}, {}, '"a"\n'),
        ({}, {"X-ClickHouse-Format": "JSONEachRow"}, '{"x":"a"}\n'),
        ({"default_format": "CSV"}, {"X-ClickHouse-Format": "JSONEachRow"}, '"a"\n'),
    ],
)
def test_the_default_format(
    reader: httpx.Client, params: dict[str, str], headers: dict[str, str], expected: str
) -> None:
    answer = reader.post("/", params=params, headers=headers, content="SELECT 'a' AS x")
    assert answer.text == expected
    assert (
        reader.post("/", params=params, headers=headers, content="SELECT 1 FORMAT TSV").text
        == "1\n"
    )


@pytest.mark.parametrize("fmt", ["CSV INTO OUTFILE '{path}'", "CSV;SELECT 1", "", "`CSV`", "é"])
def test_a_format_is_a_name_and_no_more(
    writer: httpx.Client, table: str, tmp_path: Path, fmt: str
) -> None:
    fmt = fmt.replace("{path}", str(tmp_path / "out"))
    asked = writer.post("/", params={"default_format": fmt}, content="SELECT 1")
    named = [(b"X-ClickHouse-Format", fmt.encode())]
    header = writer.post("/", headers=named, content="SELECT 1")
    quoted = writer.post("/", content=f"SELECT 1 FORMAT `{fmt} SETTINGS`")
    insert = writer.post("/", content=f"INSERT INTO {table} FORMAT `{fmt} SETTINGS` 1,2")
    for answer in (asked, header, quoted, insert):
        assert answer.text == "1\n" if not fmt else answer.status_code in (400, 404), answer.text
        if not fmt:
            break
    assert not (tmp_path / "out").exists()


def test_the_database_comes_from_parameter_or_header(reader: httpx.Client) -> None:
    ask = "SELECT currentDatabase()"
    assert reader.post("/", content=ask).text == "headrace\n"
    assert reader.post("/", params={"database": "system"}, content=ask).text == "system\n"
    assert (
        reader.post("/", headers={"X-ClickHouse-Database": "system"}, content=ask).text
        == "system\n"
    )
    missing = reader.post("/", params={"database": "no`pe"}, content=ask)
    assert (missing.status_code, missing.headers["X-ClickHouse-Exception-Code"]) == (403, "497")


def test_settings_in_the_url_hold_for_one_request(reader: httpx.Client) -> None:
    ask = "SELECT getSetting('max_block_size')"
    assert reader.post("/", params={"max_block_size": "7"}, content=ask).text == "7\n"
    assert reader.post("/", content=ask).text != "7\n"
    unknown = reader.post("/", params={"nonsense": "7"}, content=ask)
    assert (unknown.status_code, unknown.headers["X-ClickHouse-Exception-Code"]) == (404, "115")
    hostile = reader.post("/", params={"a = 1, readonly": "0"}, content=ask)
    assert hostile.headers["X-ClickHouse-Exception-Code"] == "115"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("String", "it's", "it\\'s"),
        ("String", "a\\\\b", "a\\\\b"),
        ("String", "a\\tb", "a\\tb"),
        ("Int32", "-5", "-5"),
        ("Array(String)", "['a','b']", "['a','b']"),
        ("DateTime64(3)", "2026-01-02 03:04:05.678", "2026-01-02 03:04:05.678"),
        ("Identifier", "number", "0"),
        ("String", "') --", "\\') --"),
    ],
)
def test_bound_parameters(reader: httpx.Client, kind: str, value: str, expected: str) -> None:
    sql = f"SELECT {{x:{kind}}} FROM numbers(1)"
    assert reader.post("/", params={"param_x": value}, content=sql).text == f"{expected}\n"


def test_a_session_keeps_its_settings(reader: httpx.Client) -> None:
    session = {"session_id": unique()}
    ask = "SELECT getSetting('max_block_size')"
    before = reader.post("/", params=session, content=ask).text
    over = {**session, "max_block_size": "9"}
    assert reader.post("/", params=over, content=ask).text == "9\n"
    assert reader.post("/", params=session, content=ask).text == before
    assert reader.post("/", params=over, content="SET max_block_size = 7").status_code == 200
    assert reader.post("/", params=session, content=ask).text == "7\n"
    assert reader.post("/", params=over, content=ask).text == "9\n"
    assert reader.post("/", params=session, content=ask).text == "7\n"
    assert reader.post("/", params={"session_id": unique()}, content=ask).text == before


def test_a_session_of_another_user_is_another_session(
    reader: httpx.Client, writer: httpx.Client
) -> None:
    session = {"session_id": unique()}
    reader.post("/", params=session, content="SET max_block_size = 7")
    found = writer.post("/", params=session, content="SELECT getSetting('max_block_size')").text
    assert found != "7\n"


def test_session_check_and_timeout(reader: httpx.Client) -> None:
    session = {"session_id": unique(), "session_check": "1"}
    missing = reader.post("/", params=session, content="SELECT 1")
    assert missing.headers["X-ClickHouse-Exception-Code"] == "372"
    reader.post("/", params={"session_id": session["session_id"]}, content="SELECT 1")
    assert reader.post("/", params=session, content="SELECT 1").text == "1\n"
    wrong = reader.post("/", params={**session, "session_timeout": "4000"}, content="SELECT 1")
    assert wrong.headers["X-ClickHouse-Exception-Code"] == "374"


def test_temporary_tables_live_in_a_session(writer: httpx.Client) -> None:
    session = {"session_id": unique()}
    for sql in ("CREATE TEMPORARY TABLE x (a Int)", "INSERT INTO x VALUES (5)"):
        assert writer.post("/", params=session, content=sql).status_code == 200
    assert writer.post("/", params=session, content="SELECT a FROM x").text == "5\n"
    assert writer.post("/", content="SELECT a FROM x").status_code == 404


PACK = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}
UNPACK = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "lz4": lz4.frame.decompress,
    "zstd": zstd.decompress,
}


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("rows", [0, 3, 300_000])
def test_answers_are_compressed_when_asked(reader: httpx.Client, encoding: str, rows: int) -> None:
    sql = f"SELECT number FROM numbers({rows})"
    headers = {"Accept-Encoding": encoding}
    with reader.stream(
        "POST", "/", params={"enable_http_compression": "1"}, headers=headers, content=sql
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == encoding
    assert UNPACK[encoding](raw).split() == [b"%d" % n for n in range(rows)]
    plain = reader.post("/", headers=headers, content=sql)
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("encoding", PACK)
def test_bodies_may_be_compressed(writer: httpx.Client, table: str, encoding: str) -> None:
    rows = b"".join(b'{"n":%d,"text":"x"}\n' % n for n in range(100_000))
    answer = writer.post(
        "/",
        params={"query": f"INSERT INTO {table} FORMAT JSONEachRow"},
        headers={"Content-Encoding": encoding},
        content=PACK[encoding](rows),
    )
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "100000"
    assert writer.post("/", content=f"SELECT count() FROM {table}").text == "100000\n"


@pytest.mark.parametrize("encoding", PACK)
def test_a_broken_body_inserts_nothing(writer: httpx.Client, table: str, encoding: str) -> None:
    rows = b"".join(b'{"n":%d,"text":"%x"}\n' % (n, hash(str(n))) for n in range(2_000))
    packed = PACK[encoding](rows)
    params = {"query": f"INSERT INTO {table} FORMAT JSONEachRow"}
    headers = {"Content-Encoding": encoding}
    for body in (packed[: len(packed) // 2], b"nonsense" * 100):
        answer = writer.post("/", params=params, headers=headers, content=body)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "271", answer.text
    assert writer.post("/", content=f"SELECT count() FROM {table}").text == "0\n"
    unknown = writer.post("/", params=params, headers={"Content-Encoding": "rot13"}, content=b"x")
    assert unknown.status_code == 501


def test_headers_of_an_answer(reader: httpx.Client) -> None:
    answer = reader.post("/", params={"query_id": "mine-1"}, content="SELECT 1 FORMAT JSON")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine-1"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert answer.headers["X-ClickHouse-Server-Display-Name"]
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    forged = reader.post("/", params={"query_id": "a\r\nX-Evil: 1"}, content="SELECT 1")
    assert "X-Evil" not in forged.headers


def test_the_summary_counts(writer: httpx.Client, table: str) -> None:
    done = writer.post("/", content=f"INSERT INTO {table} FORMAT JSONEachRow\n" + '{"n":1}' * 3)
    assert json.loads(done.headers["X-ClickHouse-Summary"])["written_rows"] == "3"
    asked = writer.post("/", content=f"SELECT n FROM {table}")
    found = json.loads(asked.headers["X-ClickHouse-Summary"])
    assert (found["read_rows"], found["result_rows"]) == ("3", "3")
    select = writer.post("/", content=f"INSERT INTO {table} (n) SELECT number FROM numbers(5)")
    assert json.loads(select.headers["X-ClickHouse-Summary"])["written_rows"] == "5"


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT", 400, 62, "SYNTAX_ERROR"),
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nope", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT nope()", 404, 46, "UNKNOWN_FUNCTION"),
        ("SELECT 1 FORMAT Nope", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT toInt32('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT {x:Int32}", 500, 456, "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT sleep(3) SETTINGS max_execution_time = 1", 408, 159, "TIMEOUT_EXCEEDED"),
    ],
)
def test_errors_as_clickhouse_tells_them(
    reader: httpx.Client, sql: str, status: int, code: int, name: str
) -> None:
    answer = reader.post("/", content=sql)
    assert answer.status_code == status, answer.text
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert answer.text.startswith(f"Code: {code}. DB::")
    assert f"({name})" in answer.text
    assert answer.text.count("(version ") == 1
    assert reader.post("/", content="SELECT 1").text == "1\n"


def test_a_bad_row_inserts_nothing_and_says_where(writer: httpx.Client, table: str) -> None:
    rows = "".join(f'{{"n": {n}, "text": "x"}}\n' for n in range(1_000)) + '{"n": "bad"}\n'
    answer = writer.post("/", content=f"INSERT INTO {table} FORMAT JSONEachRow\n{rows}")
    assert answer.status_code == 400
    assert answer.headers["X-ClickHouse-Exception-Code"] in ("6", "27", "72", "117")
    assert "row 1001" in answer.text
    assert writer.post("/", content=f"SELECT count() FROM {table}").text == "0\n"


def test_an_error_in_the_middle_cannot_be_missed(
    clickhouse_server: LocalClickHouse, reader: httpx.Client
) -> None:
    sql = "SELECT throwIf(number = 3000000, 'too far') FROM numbers(4000000)"
    found, tail = read_to_the_end(reader, sql + " SETTINGS max_threads = 1")
    assert found.status_code == 200
    assert b"__exception__\r\n" + found.headers["X-ClickHouse-Exception-Tag"].encode() in tail
    assert b"too far" in tail
    with pytest.raises(subprocess.CalledProcessError) as failed:
        curl(clickhouse_server, url(clickhouse_server), "-d", sql)
    assert failed.value.returncode == 18


def read_to_the_end(client: httpx.Client, sql: str) -> tuple[httpx.Response, bytes]:
    """Read an answer that is cut off, and return its last bytes."""
    tail = b""
    with client.stream("POST", "/", content=sql) as answer:
        try:
            for piece in answer.iter_raw():
                tail = (tail + piece)[-4096:]
        except httpx.RemoteProtocolError:
            return answer, tail
    raise AssertionError("the answer ended as if nothing had happened")


@pytest.mark.parametrize(
    ("fmt", "header"),
    [
        ("TSVWithNames", "n\n"),
        ("TabSeparatedWithNamesAndTypes", "n\nUInt64\n"),
        ("CSVWithNames", '"n"\n'),
        ("CSVWithNamesAndTypes", '"n"\n"UInt64"\n'),
        ("JSONCompactEachRowWithNames", '["n"]\n'),
    ],
)
@pytest.mark.parametrize("rows", [0, 1, 300_000])
def test_names_stand_once_whatever_the_number_of_blocks(
    reader: httpx.Client, fmt: str, header: str, rows: int
) -> None:
    sql = f"SELECT number AS n FROM numbers({rows}) FORMAT {fmt}"
    found = reader.post("/", content=sql).text
    assert found.startswith(header)
    lines = found[len(header) :].replace("[", "").replace("]", "").replace(chr(34), "").split()
    assert lines == [str(n) for n in range(rows)]


def test_a_line_break_in_a_column_name(reader: httpx.Client) -> None:
    sql = 'SELECT number AS "a\nb" FROM numbers(200000) FORMAT CSVWithNames'
    found = reader.post("/", content=sql).text
    assert found.count('"a\nb"\n') == 1
    assert found.count("\n") == 200_002


@pytest.mark.parametrize(
    "fmt", ["JSON", "JSONCompact", "Pretty", "Vertical", "Parquet", "Markdown"]
)
def test_formats_with_a_frame_are_whole(reader: httpx.Client, fmt: str) -> None:
    found = reader.post("/", content=f"SELECT number FROM numbers(200000) FORMAT {fmt}")
    assert found.status_code == 200
    if fmt.startswith("JSON"):
        assert len(json.loads(found.text)["data"]) == 200_000
    if fmt == "Parquet":
        assert found.content[:4] == found.content[-4:] == b"PAR1"


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


def test_a_body_without_a_query_is_refused(writer: httpx.Client) -> None:
    assert writer.post("/", content=b"").headers["X-ClickHouse-Exception-Code"] == "62"
    assert writer.post("/", content=b"\xff\xfe").headers["X-ClickHouse-Exception-Code"] == "62"
    assert writer.post("/", content=b"SELECT '\xff'").headers["X-ClickHouse-Exception-Code"] == "62"
    huge = writer.post("/", content=b"SELECT " + b"1," * (9 << 20))
    assert huge.status_code == 413


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
