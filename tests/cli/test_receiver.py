"""What the doctor says of the receiver of spans."""

from __future__ import annotations

import asyncio
import re

import pytest

from headrace.local.ports import free_port
from tests.cli.conftest import Cli
from tests.otlp.receiver import running


def told(cli: Cli) -> list[tuple[str, str]]:
    checks = cli("doctor", "--json").objects
    return [(one["level"], one["text"]) for one in checks if one["name"] == "otlp"]


def is_of_the_receiver(check: tuple[str, str]) -> bool:
    """And not of the worker that sends to it."""
    return "no worker runs" not in check[1]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_the_doctor_asks_the_receiver_whether_it_answers(
    on_stack: Cli, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    assert await asyncio.to_thread(told, on_stack) == []
    monkeypatch.setenv("HEADRACE_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("HEADRACE_OTLP_HEADERS", "authorization=s3cret")
    async with running(protocol) as receiver:
        monkeypatch.setenv("HEADRACE_OTLP_ENDPOINT", receiver.endpoint)
        worker, here = sorted(await asyncio.to_thread(told, on_stack), key=is_of_the_receiver)
        behind = re.match(r"no worker runs, (\d+) records of agent\.spans behind: ", worker[1])
        assert behind
        assert worker[0] == ("fail" if int(behind[1]) else "warn")  # of others' turns, if any
        assert here == ("ok", f"{receiver.endpoint} answers by {protocol}")
        assert receiver.requests == [[]]
    nobody = f"http://localhost:{free_port(0)}"
    monkeypatch.setenv("HEADRACE_OTLP_ENDPOINT", nobody)
    _, (level, text) = sorted(await asyncio.to_thread(told, on_stack), key=is_of_the_receiver)
    assert (level, text.startswith(f"{nobody} by {protocol}: ")) == ("fail", True)
    assert "s3cret" not in text
