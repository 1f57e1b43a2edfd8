"""Retention on a ClickHouse of its own: told once, shown, and rows that go are accounted for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from headrace.cli.archive import connect as open_archive
from headrace.cli.verify.queries import Scope
from headrace.cli.verify.run import Elsewhere, Verdict, judge
from headrace.events.settings import ClickHouseSettings, Settings
from headrace.sinks import schema
from headrace.sinks.connection import connect
from headrace.streams import retention
from headrace.streams.retention.policy import loads
from tests.cli.conftest import Cli
from tests.export.support import insert
from tests.stack.clickhouse import LocalClickHouse, running_clickhouse
from tests.support import wait_until_sync

NOW = datetime.now(timezone.utc)
FILE = """
[default]
events = "7d"
[default.types]
llm_text = "1d"
[tenant.acme]
events = "30d"
[tenant."o'hara \\\\"]
events = "forever"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalClickHouse]:
    """Nobody else's: TTLs hold for all tenants."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse")) as server:
        schema.apply(ClickHouseSettings(server.writer_url))
        yield server


@pytest.fixture
def client(server: LocalClickHouse) -> Iterator[Client]:
    client = connect(ClickHouseSettings(server.writer_url))
    retention.apply(ClickHouseSettings(server.writer_url), loads('[default]\nevents = "forever"'))
    yield client
    for table in ("events_raw", "epochs_ledger", "dropped_ledger", "ends_ledger",
                  "retention_ledger"):  # fmt: skip
        client.command(f"TRUNCATE TABLE {table}")
    client.close()


@pytest.fixture
def kept(cli: Cli, server: LocalClickHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run ``headrace retention`` with the file above."""
    (tmp_path / "kept.toml").write_text(FILE)
    monkeypatch.setenv("HEADRACE_RETENTION", str(tmp_path / "kept.toml"))
    monkeypatch.setenv("HEADRACE_CLICKHOUSE_URL", server.writer_url)
    return lambda *args: cli("retention", *args)


def events(
    tenant: str, seqs: Sequence[int], days: float, *, kind: str = "x", data: Any = None
) -> list[bytes]:
    """Events that happened and were archived so many days ago."""
    then = NOW - timedelta(days=days)
    event = {"tenant": tenant, "session": "s", "epoch": "e", "type": kind, "data": data or {}}
    event |= {"ts": then.timestamp(), "ingested_at": f"{then:%Y-%m-%d %H:%M:%S.000}"}
    return [orjson.dumps({**event, "seq": seq}) for seq in seqs]


def numbers(client: Client, tenant: str) -> list[int]:
    query = "SELECT seq FROM events WHERE tenant = {t:String} ORDER BY seq"
    return [seq for (seq,) in client.query(query, {"t": tenant}).result_rows]


def judged(server: LocalClickHouse, tenant: str) -> Verdict:
    settings = Settings(Path(), clickhouse=ClickHouseSettings(server.reader_url))
    with open_archive(settings) as archive:
        return judge(archive, Elsewhere(), Scope(tenant=tenant), now=NOW.timestamp())


def test_what_is_shipped_is_what_the_migrations_say_of_numbers(server: LocalClickHouse) -> None:
    """What holds texts has no date until retention is applied."""
    writer = ClickHouseSettings(server.writer_url)
    changes = retention.compare(writer, retention.load(None))
    assert {one.kept.table for one in changes} >= {"metric_panes_raw", "alert_transitions_raw"}
    texts = ["events_raw", "logs_raw", "otel_traces_raw", "otel_traces_trace_id_ts"]
    assert [one.kept.table for one in changes if one.differs] == texts


def test_the_server_is_told_once(client: Client, kept: Cli) -> None:
    shown = kept("--json")
    assert shown.code == 1
    assert set(shown.objects[0]["differs"]) == {"events_raw"}
    assert set(kept("apply", "--dry-run", "--json").objects[0]["differs"]) == {"events_raw"}
    assert kept("--json").code == 1
    (told,) = kept("apply", "--json").objects
    assert "'o\\'hara \\\\'" in told["differs"]["events_raw"]["file"]
    shown = kept("--json")
    assert (shown.code, shown.objects[0]["differs"]) == (0, {})
    before = _altered(client)
    assert kept("apply").out == "nothing to apply: the server has been told\n"
    assert _altered(client) == before


def _altered(client: Client) -> object:
    return client.command(
        "SELECT (SELECT max(metadata_modification_time) FROM system.tables"
        " WHERE database = 'headrace'), (SELECT count() FROM system.mutations)"
    )


def test_a_new_ttl_leaves_the_parts_as_they_are(client: Client, kept: Cli) -> None:
    """The text of the events is not written again: it is a hard link to what was."""
    client.command("ALTER TABLE events_raw MODIFY SETTING min_bytes_for_wide_part = 0")
    insert(client, events("acme", range(1, 5000), 3, data={"text": "x" * 200}))
    client.command("ALTER TABLE events_raw RESET SETTING min_bytes_for_wide_part")
    assert kept("apply").code == 0
    wait_until_sync(lambda: _done(client), what="the mutation")
    query = (
        "SELECT path, delete_ttl_info_min > 0 FROM system.parts"
        " WHERE active AND table = 'events_raw'"
    )
    ((path, reckoned),) = client.query(query).result_rows
    assert reckoned
    assert (Path(path) / "data.bin").stat().st_nlink > 1


def _done(client: Client) -> bool:
    return client.command("SELECT count() FROM system.mutations WHERE NOT is_done") == 0


def test_rows_go_by_tenant_and_type_and_count_as_expired(
    client: Client, kept: Cli, server: LocalClickHouse
) -> None:
    for tenant in ("acme", "globex", "o'hara \\"):
        insert(client, events(tenant, [1, 2], 40))
        insert(client, events(tenant, [3, 4], 10))
        insert(client, events(tenant, [5, 6], 2))
        insert(client, events(tenant, [7, 8], 2, kind="llm_text"))
        insert(client, events(tenant, [9], 0.5, kind="llm_text"))
    due = {(one["tenant"], one["type"]): one["due"] for one in kept("--json").objects[0]["rules"]
           if one["kind"] == "events"}  # fmt: skip
    assert due[None, "llm_text"] == 2
    assert due["acme", None] == 2
    assert due["o'hara \\", None] == 0
    assert due[None, None] == 4
    assert kept("apply").code == 0
    wait_until_sync(lambda: _done(client), what="the mutation")
    client.command("OPTIMIZE TABLE events_raw FINAL")
    assert numbers(client, "acme") == [3, 4, 5, 6, 7, 8, 9]
    assert numbers(client, "globex") == [5, 6, 9]
    assert numbers(client, "o'hara \\") == list(range(1, 10))
    verdict = judged(server, "globex")
    assert verdict.adds_up
    totals = verdict.totals
    assert (totals.accepted, totals.archived, totals.expired, totals.missing) == (9, 3, 6, 0)
    shown = kept()
    assert "globex" not in shown.out
    assert "o'hara" in shown.out


def test_some_thousand_tenants_have_spans_of_their_own(
    client: Client, kept: Cli, tmp_path: Path
) -> None:
    (tmp_path / "kept.toml").write_text(_tenants(2500))
    for tenant in ("acme-0", "acme-2498", "acme-2499"):
        insert(client, events(tenant, [1], 40))
        insert(client, events(tenant, [2, 3], 20))
        insert(client, events(tenant, [4], 10, kind="thinking"))
    held = {
        (one["tenant"], one["type"]): (one["rows"], one["due"])
        for one in kept("--json").objects[0]["rules"]
        if one["rows"]
    }
    assert held == {
        ("acme-0", None): (3, 1),
        ("acme-0", "thinking"): (1, 0),
        ("acme-2498", None): (3, 1),
        ("acme-2498", "thinking"): (1, 0),
        ("acme-2499", None): (3, 3),
        ("acme-2499", "thinking"): (1, 1),
    }
    assert kept("apply").code == 0
    assert kept("--json").code == 0
    wait_until_sync(lambda: _done(client), what="the mutation")
    client.command("OPTIMIZE TABLE events_raw FINAL")
    assert numbers(client, "acme-0") == numbers(client, "acme-2498") == [2, 3, 4]
    assert numbers(client, "acme-2499") == []


def _tenants(count: int) -> str:
    spans = [(30, 15)] * (count - 1) + [(5, 1)]
    return "".join(
        f'[tenant.acme-{number}]\nevents = "{all_}d"\ntypes.thinking = "{thinking}d"\n'
        for number, (all_, thinking) in enumerate(spans)
    )


def test_what_is_too_much_for_one_ttl_is_told_in_one_line(kept: Cli, tmp_path: Path) -> None:
    (tmp_path / "kept.toml").write_text(_tenants(7000))
    done = kept("apply")
    assert done.code == 2
    assert "max_query_size" in done.err
    assert done.err.count("\n") == 1
    assert "acme-1" not in done.err


@pytest.mark.parametrize(
    ("table", "more"),
    [
        ("otel_traces_raw", {"Timestamp": NOW - timedelta(days=10), "SpanId": "0" * 15 + "1"}),
        ("otel_traces_trace_id_ts", {"Start": NOW - timedelta(days=10)}),
    ],
)
def test_spans_go_by_tenant_whoever_else_has_spans_of_that_day(
    table: str, more: dict[str, Any], client: Client, kept: Cli, tmp_path: Path
) -> None:
    (tmp_path / "kept.toml").write_text('[tenant.acme]\ntraces = "forever"\n')
    assert kept("apply").code == 0
    client.command(f"TRUNCATE TABLE {table}")
    client.command(f"ALTER TABLE {table} MODIFY SETTING merge_with_ttl_timeout = 0")
    same = {"TraceId": "0" * 31 + "1", "ingested_at": NOW - timedelta(days=10)} | more
    rows = [same | {"tenant": "acme"}, same | {"tenant": "globex", "TraceId": "0" * 31 + "2"}]
    client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))
    query = f"SELECT tenant FROM {table}"
    wait_until_sync(lambda: client.query(query).result_rows == [("acme",)], what="a merge")
    client.command(f"ALTER TABLE {table} RESET SETTING merge_with_ttl_timeout")
    client.command(f"TRUNCATE TABLE {table}")


def test_what_went_before_its_time_is_missing(
    client: Client, kept: Cli, server: LocalClickHouse
) -> None:
    assert kept("apply").code == 0
    insert(client, events("globex", range(1, 6), 0.5))
    client.command("ALTER TABLE events_raw DELETE WHERE seq = 3", settings={"mutations_sync": 2})
    verdict = judged(server, "globex")
    assert not verdict.adds_up
    (one,) = verdict.wanting
    assert (one.archived, one.expired, one.lost, one.missing) == (4, 0, 1, 1)


def test_a_longer_span_makes_no_loss_of_what_the_former_took(
    client: Client, kept: Cli, server: LocalClickHouse, tmp_path: Path
) -> None:
    assert kept("apply").code == 0
    insert(client, events("globex", range(1, 6), 10))
    client.command("OPTIMIZE TABLE events_raw FINAL")
    (tmp_path / "kept.toml").write_text('[default]\nevents = "300d"\n')
    assert kept("apply").code == 0
    verdict = judged(server, "globex")
    assert verdict.adds_up
    assert (verdict.totals.archived, verdict.totals.expired) == (0, 5)


def test_what_the_end_marker_told_is_known_when_it_is_gone(
    client: Client, kept: Cli, server: LocalClickHouse
) -> None:
    insert(client, events("globex", [1, 2], 10))
    end = {"reason": "closed", "dropped": {"spool_full": 2}}
    insert(client, events("globex", [5], 10, kind="headrace.epoch_end", data=end))
    assert judged(server, "globex").totals.dropped == {"spool_full": 2}
    assert kept("apply").code == 0
    wait_until_sync(lambda: _done(client), what="the mutation")
    client.command("OPTIMIZE TABLE events_raw FINAL")
    assert numbers(client, "globex") == []
    totals = judged(server, "globex").totals
    assert (totals.expired, totals.dropped, totals.missing) == (3, {"spool_full": 2}, 0)


def test_for_good_is_no_ttl(client: Client, kept: Cli, tmp_path: Path) -> None:
    assert kept("apply").code == 0
    (tmp_path / "kept.toml").write_text('[default]\nevents = "forever"\nmetrics = "forever"\n')
    assert kept("apply").code == 0
    engines = (
        "SELECT engine_full FROM system.tables WHERE name IN ('events_raw', 'metric_panes_raw')"
    )
    for (engine,) in client.query(engines).result_rows:
        assert " TTL " not in engine
    assert kept("--json").code == 0
