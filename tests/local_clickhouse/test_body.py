from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.base_protocol import BaseProtocol

from headrace.local.clickhouse import body
from headrace.local.clickhouse.errors import ClickHouseError


def _request() -> tuple[StreamReader, web.Request]:
    loop = asyncio.get_running_loop()
    content = StreamReader(mock.Mock(spec=BaseProtocol), 1 << 16, loop=loop)
    return content, cast("web.Request", cast("Any", SimpleNamespace(content=content, headers={})))


async def test_a_client_that_falls_silent_in_the_middle_of_a_body_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "SILENCE_S", 0.05)
    content, asked = _request()
    content.feed_data(b"one")
    pieces = body.pieces(asked)
    assert await anext(pieces) == b"one"
    with pytest.raises(ClickHouseError) as caught:
        await asyncio.wait_for(anext(pieces), 5)
    assert caught.value.code == 209


async def test_time_between_pieces_that_the_server_takes_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body, "SILENCE_S", 0.05)
    content, asked = _request()
    content.feed_data(b"one")
    pieces = body.pieces(asked)
    assert await anext(pieces) == b"one"
    await asyncio.sleep(0.1)
    content.feed_data(b"two")
    content.feed_eof()
    assert [piece async for piece in pieces] == [b"two"]
