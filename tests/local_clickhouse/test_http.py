"""The interface as curl and any HTTP client see it."""

from __future__ import annotations

import subprocess

import httpx
import pytest

from tests.local_clickhouse.conftest import curl, url
from tests.stack.clickhouse import LocalClickHouse


def test_ping_needs_no_password(clickhouse_server: LocalClickHouse) -> None:
    for path in ("/ping", "/replicas_status", "/"):
        assert httpx.get(url(clickhouse_server, path), trust_env=False).text == "Ok.\n"
    assert httpx.get(url(clickhouse_server, "/play"), trust_env=False).status_code == 404


def test_a_form_carries_query_and_parameters(reader: httpx.Client) -> None:
    fields = {"query": (None, "SELECT {x:String}"), "param_x": (None, "it's")}
    assert reader.post("/", files=fields).text == "it\\'s\n"


def test_query_and_body_are_one_text(reader: httpx.Client) -> None:
    assert reader.post("/", params={"query": "SELECT"}, content="1 + 1").text == "2\n"


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


def test_headers_of_an_answer(reader: httpx.Client) -> None:
    answer = reader.post("/", params={"query_id": "mine-1"}, content="SELECT 1 FORMAT JSON")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine-1"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["X-ClickHouse-Timezone"]
    assert answer.headers["X-ClickHouse-Server-Display-Name"]
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    forged = reader.post("/", params={"query_id": "a\r\nX-Evil: 1"}, content="SELECT 1")
    assert "X-Evil" not in forged.headers


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


TOO_FAR = "SELECT throwIf(number = 3000000, 'too far') FROM numbers(4000000)"


def test_an_error_in_the_middle_cannot_be_missed(reader: httpx.Client) -> None:
    found, tail = read_to_the_end(reader, TOO_FAR + " SETTINGS max_threads = 1")
    assert found.status_code == 200
    assert b"__exception__\r\n" + found.headers["X-ClickHouse-Exception-Tag"].encode() in tail
    assert b"too far" in tail


@pytest.mark.programs
def test_curl_fails_where_an_answer_is_cut_off(clickhouse_server: LocalClickHouse) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        curl(clickhouse_server, url(clickhouse_server), "-d", TOO_FAR)
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


def test_a_body_without_a_query_is_refused(writer: httpx.Client) -> None:
    assert writer.post("/", content=b"").headers["X-ClickHouse-Exception-Code"] == "62"
    assert writer.post("/", content=b"\xff\xfe").headers["X-ClickHouse-Exception-Code"] == "62"
    assert writer.post("/", content=b"SELECT '\xff'").headers["X-ClickHouse-Exception-Code"] == "62"
    huge = writer.post("/", content=b"SELECT " + b"1," * (9 << 20))
    assert huge.status_code == 413
