"""Sessions by name: one request at a time has one, from its first on."""

from __future__ import annotations

from typing import Any

import pytest

from headrace.local.clickhouse.errors import ClickHouseError
from headrace.local.clickhouse.request import Query
from headrace.local.clickhouse.sessions import Session, Sessions


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
