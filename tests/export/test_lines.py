"""Exported lines read in again are the same rows."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from headrace.cli.archive import Archive
from headrace.cli.backfill.convert import Converter
from headrace.cli.export import queries
from headrace.cli.export.choice import STREAMED, Choice
from headrace.cli.export.names import file_name
from headrace.cli.export.sessions import lines_of
from headrace.cli.faults import CommandError
from tests.cli.conftest import Cli
from tests.export import hostile
from tests.export.support import Store
from tests.support import unique


@pytest.fixture(scope="module")
def copy() -> str:
    return f"copy_{unique().replace('-', '_')}"


def lines(store: Store, choice: Choice) -> bytes:
    where, bound = choice.where()
    archive = Archive(store.client, "here")
    return b"".join(archive.raw(queries.lines(where), bound, queries.LINES, STREAMED))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=st.lists(hostile.events(), min_size=1, max_size=25))
def test_whatever_was_archived_is_the_same_row_again(
    store: Store, copy: str, written: list[bytes]
) -> None:
    store.client.command(f"CREATE TABLE IF NOT EXISTS {copy} AS events_raw")
    one = Store(store.client)  # a tenant for each example
    one.insert([hostile.of_tenant(line, one.tenant) for line in written])
    exported = lines(one, Choice(one.tenant))
    assert exported.count(b"\n") == len(one.rows())
    # As backfill reads it: no line is a dead letter.
    read = Converter(None, 10_000_000).convert(exported.split(b"\n")[:-1])
    assert read.bad == []
    one.insert(read.events, copy)
    assert one.rows(copy) == one.rows()


def test_an_answer_that_ends_in_the_middle_of_a_line_is_no_export() -> None:
    assert list(lines_of([b"a\nb", b"c\n"])) == [[b"a"], [b"bc"]]
    with pytest.raises(CommandError, match="broke off"):
        list(lines_of([b"a\nb", b"c"]))


def test_line_breaks_in_the_layout_of_data_become_blanks(store: Store) -> None:
    data = b'{"a":\n  [1,\r\n 2]}'
    line = b'{"tenant":"%b","session":"s","epoch":"e","seq":1,"ts":5,"type":"x","data":%b}'
    store.insert([line % (store.tenant.encode(), data)])
    (exported,) = lines(store, Choice(store.tenant)).splitlines()
    assert exported.endswith(b'"data":{"a":   [1,   2]}}')


@given(first=hostile.named, second=hostile.named)
def test_names_of_files_are_plain_and_never_shared(first: str, second: str) -> None:
    assume(first != second)
    names = [file_name(name, ".jsonl") for name in (first, second)]
    for name in names:
        assert Path(name).name == name
        assert name.isascii()
        assert not name.startswith((".", "-")) or "~" in name
        assert len(name) < 120
    assert names[0].lower() != names[1].lower()


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "S-1", "con:", "-rf", "é" * 300])
def test_a_hostile_session_stays_in_its_directory(
    store: Store, export: Cli, tmp_path: Path, name: str
) -> None:
    event = {"tenant": store.tenant, "session": name, "epoch": "e", "seq": 1, "ts": 7.5}
    store.insert([orjson.dumps({**event, "type": "x", "data": {}})])
    out = tmp_path / "out"
    assert export("--tenant", store.tenant, "--out", str(out)).code == 0
    manifest = orjson.loads((out / "manifest.json").read_bytes())
    (entry,) = manifest["files"]
    assert entry["session"] == name
    assert {path.name for path in tmp_path.rglob("*")} == {"out", "manifest.json", entry["name"]}
    assert orjson.loads((out / entry["name"]).read_bytes())["session"] == name
