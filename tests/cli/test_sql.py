from __future__ import annotations

import io

import pytest

from headrace.cli.archive import connect as reading
from tests.cli.conftest import Cli, Stack, insert, line, process
from tests.support import unique


def test_a_table_for_people(on_stack: Cli) -> None:
    ran = on_stack("sql", "SELECT 7 AS number, 'two\nlines' AS text, NULL AS nothing")
    assert ran.code == 0
    assert ran.out == (
        "number  text        nothing\n------  ----------  -------\n     7  two\\nlines  NULL\n"
    )


def test_text_that_looks_like_null_stays_as_it_is(on_stack: Cli) -> None:
    ran = on_stack("sql", "SELECT 'ᴺᵁᴸᴸ' AS text, [1, NULL] AS list, '─' AS line")
    assert ran.out.splitlines()[-1] == "ᴺᵁᴸᴸ  [1,NULL]  ─"


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (["SELECT 1 AS a, 'x' AS b", "--format", "JSONEachRow"], '{"a":1,"b":"x"}\n'),
        (["SELECT 1 AS a FORMAT CSVWithNames"], '"a"\n1\n'),
        (["SELECT 'FORMAT x' AS a;", "--format", "TSV"], "FORMAT x\n"),
        (
            [
                "SELECT {a:UInt8} + 1, {b:String}",
                "--format",
                "TSV",
                "--param",
                "a=5",
                "--param",
                "b=x=y",
            ],
            "6\tx=y\n",
        ),
        (["SELECT {a:Array(UInt8)}", "--format", "TSV", "--param", "a=[1,2]"], "[1,2]\n"),
        (["SELECT 1 -- why", "--format", "TSV"], "1\n"),
    ],
)
def test_formats_and_parameters(args: list[str], out: str, on_stack: Cli) -> None:
    ran = on_stack("sql", *args)
    assert (ran.code, ran.out, ran.err) == (0, out, "")


def test_the_query_can_come_from_stdin(on_stack: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 42;\n"))
    assert on_stack("sql", "-", "--format", "TSV").out == "42\n"


def test_binary_formats_arrive_as_they_are(stack: Stack) -> None:
    ran = process(
        "sql",
        "SELECT toUInt8(7), '\\x1b'",
        "--format",
        "RowBinary",
        "--state-dir",
        str(stack.settings.state_dir),
    )
    assert ran.stdout == "\x07\x01\x1b"


def test_a_long_table_ends_and_says_so(on_stack: Cli) -> None:
    ran = on_stack("sql", "SELECT number FROM numbers(1001)")
    lines = ran.out.splitlines()
    assert "use LIMIT, or --format" in lines[-1]
    assert len(lines) == 1_000 + 3
    assert "the first" not in on_stack("sql", "SELECT number FROM numbers(1000)").out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["SELECT bogus"], "UNKNOWN_IDENTIFIER"),
        (["SELECT * FROM nowhere"], "headrace schema apply"),
        (["  ;"], "the query is empty"),
        (["INSERT INTO events_raw (tenant) VALUES ('x')"], "ClickHouse"),
        (["SELECT throwIf(number = 99999) FROM numbers(100000)"], "ClickHouse"),
    ],
)
def test_what_the_server_refuses_is_one_line(args: list[str], said: str, on_stack: Cli) -> None:
    ran = on_stack("sql", *args)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert said in ran.err
    assert "version" not in ran.err


@pytest.mark.parametrize("param", ["a", "1a=2", "b=1"])
def test_a_parameter_that_does_not_fit_is_told(param: str, on_stack: Cli) -> None:
    ran = on_stack("sql", "SELECT {a:UInt8}", "--param", param)
    assert ran.code == 2
    assert "--param" in ran.err


def test_readers_cannot_write(on_stack: Cli, stack: Stack) -> None:
    tenant = unique()
    insert(stack, [line(tenant, "s", 1, "x", {})])
    assert on_stack("sql", f"ALTER TABLE events_raw DELETE WHERE tenant = '{tenant}'").code == 2
    query = f"SELECT count() FROM events WHERE tenant = '{tenant}'"
    assert on_stack("sql", query, "--format", "TSV").out == "1\n"


def test_a_table_reads_no_more_than_it_shows(on_stack: Cli) -> None:
    """It would take hours to its end: the server is told to stop."""
    ran = on_stack("sql", "SELECT number FROM numbers(1000000000000)")
    assert ran.code == 0
    assert "the first 1,000 rows" in ran.out


def test_settings_that_a_user_may_not_change_are_not_sent(stack: Stack) -> None:
    with reading(stack.settings) as archive:
        known = archive._client.server_settings
        name = "output_format_pretty_grid_charset"
        assert archive.settable({name: "ASCII"}) == {name: "ASCII"}
        known[name] = known[name]._replace(readonly=1)
        assert archive.settable({name: "ASCII", "no_such_setting": 1}) == {}
