"""The migrations, and what the views say of a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pytest
from clickhouse_connect.driver.client import Client

from headrace.events.errors import Retryable
from headrace.events.settings import ClickHouseSettings
from headrace.sinks import schema
from headrace.sinks.clickhouse import ClickHouseSink
from tests.stack.clickhouse import running_clickhouse
from tests.support import unique


def test_from_two_places_at_once_and_twice(tmp_path: Path) -> None:
    with running_clickhouse(tmp_path) as server:
        writer = ClickHouseSettings(server.writer_url)
        reader = ClickHouseSettings(server.reader_url)
        assert {one.applied_at for one in schema.status(reader)} == {None}
        with ThreadPoolExecutor(2) as threads:
            applied = list(threads.map(schema.apply, [writer, writer]))
        assert max(map(len, applied)) == len(schema.migrations())
        assert schema.apply(writer) == []
        states = schema.status(reader)
        assert [one.number for one in states] == list(range(1, len(states) + 1))
        assert all(one.applied_at and not one.changed for one in states)


def test_a_server_that_is_away_is_told_in_one_line() -> None:
    with pytest.raises(Retryable, match="away") as raised:
        schema.apply(ClickHouseSettings("http://writer:secret@127.0.0.1:9/headrace"))
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_cluster_name_makes_replicated_tables_on_it() -> None:
    settings = ClickHouseSettings("http://127.0.0.1/archive", cluster="main-1")
    statements = [
        schema.filled(statement, settings)
        for migration in schema.migrations()
        for statement in migration.statements
    ]
    filling = [text for text in statements if text.startswith("INSERT INTO archive.")]
    assert len(filling) == 2  # replicated by their table
    for text in statements:
        if text in filling:
            continue
        assert text.startswith(("CREATE", "ALTER TABLE"))
        assert "ON CLUSTER `main-1`" in text
        assert "{" not in text.replace("'{'", "")
        if "ENGINE = " in text:
            assert "ENGINE = Replicated" in text or "ENGINE = Null" in text
        assert "archive." in text
    (panes,) = [text for text in statements if "metric_panes_raw ON" in text]
    assert "ENGINE = ReplicatedReplacingMergeTree(offset)" in panes


class Session:
    """Writes the events of one session."""

    def __init__(self, sink: ClickHouseSink) -> None:
        self.tenant = unique()
        self._sink = sink
        self._lines: list[bytes] = []

    def add(self, kind: str, turn: int | None = 1, **data: Any) -> None:
        number = len(self._lines) + 1
        envelope = {
            "v": 1,
            "tenant": self.tenant,
            "session": "s-1",
            "user": "u-1",
            "epoch": "00000000000000aa",
            "seq": number,
            "turn": turn,
            "ts": 1_764_000_000 + number,
            "type": kind,
            "data": data,
        }
        self._lines.append(orjson.dumps(envelope))

    async def write(self, times: int = 2) -> None:
        for _ in range(times):
            await self._sink.write(self._lines, lambda *told: pytest.fail(str(told)))


@pytest.fixture
async def session(tables: ClickHouseSettings) -> AsyncIterator[Session]:
    sink = ClickHouseSink(tables)
    yield Session(sink)
    await sink.close()


def one(client: Client, view: str, tenant: str) -> dict[str, Any]:
    rows = many(client, view, tenant)
    assert len(rows) == 1, rows
    return rows[0]


def many(client: Client, view: str, tenant: str) -> list[dict[str, Any]]:
    result = client.query(
        f"SELECT * FROM {view} WHERE tenant = {{tenant:String}} ORDER BY ALL", {"tenant": tenant}
    )
    return [dict(row) for row in result.named_results()]


async def test_a_tool_call_is_one_row(session: Session, client: Client) -> None:
    session.add("permission_decision", tool="shell", decision="prompt", reason="rule", call_id="c1")
    session.add("tool_confirmation", tool="shell", args={"x": 1}, call_id="c1")
    session.add("confirmation_resolved", tool="shell", outcome="allow", wait_ms=12.5)
    session.add("tool_start", tool="shell", args={"x": 1}, call_id="c1")
    session.add("tool_output", tool="shell", chunk="hi", call_id="c1")
    session.add(
        "tool_complete", tool="shell", call_id="c1", status="error", duration_ms=7, error="no"
    )
    session.add("tool_start", tool="read", args={}, call_id="c2")
    await session.write()
    shell, read = sorted(many(client, "tool_calls", session.tenant), key=lambda r: r["call_id"])
    assert shell["tool"] == "shell"
    assert shell["args"] == '{"x":1}'
    assert (shell["status"], shell["duration_ms"], shell["error"]) == ("error", 7, "no")
    assert (shell["permission"], shell["permission_reason"]) == ("prompt", "rule")
    assert (shell["confirmation_asked"], shell["confirmation"]) == (1, "allow")
    assert shell["confirmation_wait_ms"] == 12.5
    assert shell["output_chunks"] == 1
    assert (read["status"], read["duration_ms"], read["confirmation"]) == ("open", None, "")


async def test_calls_of_one_id_are_rows_of_their_own(session: Session, client: Client) -> None:
    def asked(turn: int, tool: str) -> None:
        session.add("permission_decision", turn, tool=tool, decision="prompt", call_id="call_0")
        session.add("tool_confirmation", turn, tool=tool, call_id="call_0")
        session.add("confirmation_resolved", turn, tool=tool, outcome="allow")

    def run(turn: int, tool: str, status: str) -> None:
        session.add("tool_start", turn, tool=tool, args={"turn": turn}, call_id="call_0")
        session.add("tool_output", turn, tool=tool, chunk="hi", call_id="call_0")
        if status != "open":
            session.add("tool_complete", turn, tool=tool, call_id="call_0", status=status)

    asked(1, "read")
    run(1, "read", "ok")
    asked(1, "write")
    run(1, "write", "error")
    run(1, "left", "open")
    run(1, "again", "open")
    asked(2, "only")
    run(3, "end", "ok")
    session.add("tool_complete", 4, tool="lost", call_id="call_0", status="ok")
    await session.write()
    found = {
        row["tool"]: (row["turn"], row["status"], row["confirmation"], row["output_chunks"])
        for row in many(client, "tool_calls", session.tenant)
    }
    assert found == {
        "read": (1, "ok", "allow", 1),
        "write": (1, "error", "allow", 1),
        "left": (1, "open", "", 1),
        "again": (1, "open", "", 1),
        "only": (2, "open", "allow", 0),
        "end": (3, "ok", "", 1),
        "lost": (4, "ok", "", 0),
    }
    assert len(many(client, "tool_calls", session.tenant)) == len(found)


async def test_a_call_has_its_tools_own_name(session: Session, client: Client) -> None:
    label = "[researcher 1/5] read_file"
    session.add("permission_decision", tool="read_file", call_id="c1")
    session.add("tool_start", tool=label, args={}, call_id="c1")
    session.add("tool_complete", tool="read_file", call_id="c1", status="ok")
    session.add("permission_decision", tool="read_file", call_id="c2")
    session.add("tool_start", tool=label, args={}, call_id="c2")
    session.add("tool_start", tool=label, args={}, call_id="c3")
    session.add("tool_complete", tool="read_file", call_id="c4", status="ok")
    await session.write()
    calls = {row["call_id"]: row["tool"] for row in many(client, "tool_calls", session.tenant)}
    assert calls == {"c1": "read_file", "c2": "read_file", "c3": label, "c4": "read_file"}


async def test_a_model_call_is_one_row(session: Session, client: Client) -> None:
    session.add("llm_call_started", model="gpt-x", attempt=1)
    session.add("llm_retry", retry=1, max_retries=4, delay_s=1.0, reason="status=503")
    session.add("llm_text", chunk="hi")
    session.add(
        "llm_call_completed",
        status="ok",
        duration_ms=800,
        first_token_ms=120,
        prompt_tokens=1000,
        completion_tokens=50,
        cache_read_tokens=900,
        finish_reason="stop",
        error_class=None,
    )
    session.add("llm_call_started", model="gpt-y", attempt=1)
    session.add("llm_call_completed", status="error", error_class="Timeout", error_message="slow")
    await session.write()
    first, second = sorted(
        many(client, "llm_calls", session.tenant), key=lambda row: row["call_number"]
    )
    assert (first["model"], first["status"], first["duration_ms"]) == ("gpt-x", "ok", 800)
    assert (first["prompt_tokens"], first["completion_tokens"]) == (1000, 50)
    assert (first["cached_tokens"], first["first_chunk_ms"]) == (900, 120)
    assert (first["retries"], first["retry_reasons"]) == (1, ["status=503"])
    assert (second["model"], second["status"]) == ("gpt-y", "error")
    assert (second["error_class"], second["error"]) == ("Timeout", "slow")
    assert second["prompt_tokens"] is None


async def test_turns_and_sessions_add_up(session: Session, client: Client) -> None:
    session.add("turn_begin", user_message="hello")
    session.add("tool_complete", tool="read", call_id="c", status="error", duration_ms=1)
    session.add("llm_call_completed", status="ok", prompt_tokens=10, completion_tokens=2)
    session.add("turn_end", final_text="bye", status="ok", incomplete_reason="max_iterations")
    session.add("turn_begin", turn=2, user_message="more")
    session.add("headrace.epoch_end", turn=None, reason="closed", dropped={})
    await session.write()
    first, second = sorted(many(client, "turns", session.tenant), key=lambda row: row["turn"])
    assert (first["user_message"], first["final_text"]) == ("hello", "bye")
    assert (first["status"], first["incomplete_reason"]) == ("ok", "max_iterations")
    assert (first["tool_calls"], first["tool_errors"], first["prompt_tokens"]) == (1, 1, 10)
    assert first["duration_ms"] == 3000
    assert (second["ended"], second["ended_at"]) == (0, None)
    whole = one(client, "sessions", session.tenant)
    assert (whole["events"], whole["turns"], whole["tool_errors"]) == (6, 2, 1)
    assert (whole["epochs"], whole["closed_epochs"], whole["user"]) == (1, 1, "u-1")


async def test_the_ledger_counts_a_number_once(session: Session, client: Client) -> None:
    session.add("llm_text", chunk="a")
    session.add("headrace.dropped", reason="overflow", first_seq=7, last_seq=9, count=3)
    session.add("headrace.epoch_end", reason="closed", dropped={"overflow": 3})
    await session.write(times=3)
    epoch = one(client, "epochs", session.tenant)
    assert (epoch["archived"], epoch["archived_seqs"]) == (3, [1, 2, 3])
    assert (epoch["last_seq"], epoch["end_seq"], epoch["closed"]) == (3, 3, 1)
    told = one(client, "dropped", session.tenant)
    assert (told["reason"], told["first_seq"], told["last_seq"]) == ("overflow", 7, 9)
    assert told["count"] == 3


async def test_an_epoch_without_an_end_is_open(session: Session, client: Client) -> None:
    session.add("llm_text", chunk="a")
    await session.write()
    epoch = one(client, "epochs", session.tenant)
    assert (epoch["closed"], epoch["end_seq"]) == (0, 0)


async def test_data_is_json_where_it_can_be(session: Session, client: Client) -> None:
    session.add("x", a={"b": 5})
    session.add("x", 1, **{"a.b": 1, "a": {"b": 2}})
    await session.write()
    rows = client.query(
        "SELECT data_json.a.b, data_json IS NULL FROM events"
        " WHERE tenant = {tenant:String} ORDER BY seq",
        {"tenant": session.tenant},
    ).result_rows
    assert rows[0] == (5, 0)
    assert rows[1][1] == 1
