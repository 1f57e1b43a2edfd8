"""Sessions: settings and tables that stay between requests, one request at a time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.request import Query
from headrace.local.clickhouse.sessions import Session, Sessions
from tests.support import unique


def query(name: str, user: str = "reader", **more: Any) -> Query:
    return Query(user, "id", "", "TSV", session_id=name, **more)


def made(user: str = "reader") -> Session:
    connection: Any = object()
    return Session(connection, user)


def test_a_session_that_is_being_made_is_in_use() -> None:
    sessions = Sessions()
    assert sessions.find(query("a")) is None
    with pytest.raises(ClickHouseError, match="locked"):  # a second request, meanwhile
        sessions.find(query("a"))
    assert sessions.find(query("b")) is None
    assert sessions.find(query("a", user="writer")) is None
    session = made()
    sessions.add(query("a"), session)
    with pytest.raises(ClickHouseError, match="locked"):
        sessions.find(query("a"))
    sessions.release(query("a"), session)
    assert sessions.find(query("a")) is session


def test_a_session_that_could_not_be_made_can_be_made_again() -> None:
    sessions = Sessions()
    assert sessions.find(query("a")) is None
    sessions.drop(query("a"))
    assert sessions.find(query("a")) is None


def test_the_idlest_goes_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.local.clickhouse.sessions.MOST", 2)
    now = 0.0
    sessions = Sessions(lambda: now)
    opened = {}
    for name in ("a", "b", "c"):
        assert sessions.find(query(name)) is None
        opened[name] = made()
        sessions.add(query(name), opened[name])
        sessions.release(query(name), opened[name])
        now += 1
    assert sessions.expired() == [opened["a"].connection]
    now = 61.5
    assert sessions.expired() == [opened["b"].connection]
    assert sessions.close() == [opened["c"].connection]


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
