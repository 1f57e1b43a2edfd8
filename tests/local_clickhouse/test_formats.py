"""Output formats: chosen, whole, and with the columns' names once."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest


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


@pytest.mark.parametrize("fmt", ["Parquet", "Arrow", "ArrowStream"])
def test_files_come_as_they_are_written(reader: httpx.Client, fmt: str) -> None:
    """Two gigabytes of them would be more than a reader may hold."""
    sql = f"SELECT number, repeat('x', 1000) AS s FROM numbers(2000000) FORMAT {fmt}"
    settings = {"max_threads": "1", "output_format_parquet_row_group_size": "65536"}
    with reader.stream("POST", "/", content=sql, params=settings) as answer:
        assert answer.status_code == 200
        assert next(answer.iter_raw())


@pytest.mark.parametrize("fmt", ["Parquet", "Arrow"])
@pytest.mark.parametrize("rows", [10, 3_000_000])
def test_an_error_in_a_file_is_told(reader: httpx.Client, fmt: str, rows: int) -> None:
    """Before its beginning by the status, later by an answer that is not whole."""
    last = f"throwIf(number = {rows - 1}, 'broken off')"
    sql = f"SELECT number, {last} FROM numbers({rows}) FORMAT {fmt}"
    settings = {"max_threads": "1", "output_format_parquet_row_group_size": "65536"}
    try:
        answer = reader.post("/", content=sql, params=settings)
    except httpx.RemoteProtocolError:
        assert rows > 10
    else:
        assert answer.status_code == 500
        assert "broken off" in answer.text
