"""Webhooks over a real socket: signed, never redirected, bounded in time, without a secret told."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import time
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any

import httpx
import pytest
import trustme
from aiohttp import web

from headrace.sinks.notify.clock import SystemClock
from headrace.sinks.notify.delivery_log import MemoryDeliveryLog
from headrace.sinks.notify.guard import Guard
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.notifier import Notifier
from headrace.sinks.notify.outcome import Outcome
from headrace.sinks.notify.post import Poster, Timeouts
from headrace.sinks.notify.receivers import read_receivers
from headrace.sinks.notify.resolver import Resolver, SystemResolver
from headrace.sinks.notify.secret import Secret
from headrace.sinks.notify.senders import SenderFactory
from headrace.sinks.notify.webhook import WebhookSender, payload
from tests.notify.endpoint import Endpoint, endpoint
from tests.notify.things import Names, notification, started, transition
from tests.support import wait_until

NEW = "whsec_" + base64.b64encode(b"new" * 10).decode()
OLD = base64.b64encode(b"old" * 10).decode()
LOOPBACK = (ip_network("127.0.0.1"),)
USUAL = Timeouts()
SHORT = Timeouts(resolve=0.2, total=0.3)


@pytest.fixture
async def there() -> AsyncIterator[Endpoint]:
    async with endpoint(NEW, OLD) as found:
        yield found


def poster(timeouts: Timeouts = USUAL, resolver: Resolver | None = None) -> Poster:
    return Poster(Guard(LOOPBACK, resolver or SystemResolver()), SystemClock(), timeouts=timeouts)


def message(told: Any = None) -> Message:
    told = told or notification()
    return Message(told.delivery_id, time.time(), told)


async def send(url: str, *secrets: str, timeouts: Timeouts = USUAL) -> Outcome:
    signing = [Secret(one) for one in secrets or (NEW,)]
    sender = WebhookSender(Secret(url), signing, poster(timeouts))
    try:
        return await sender.send(message())
    finally:
        await sender.close()


async def test_it_is_signed_by_every_secret(there: Endpoint) -> None:
    assert await send(there.url(), NEW, OLD) == Outcome("delivered", "answered 200")
    (got,) = there.got
    assert got.verified_by == [NEW, OLD]
    assert got.path == "/hook?k=v"
    assert got.headers["webhook-id"] == notification().delivery_id
    assert got.headers["Content-Type"] == "application/json"
    assert got.headers["Host"] == f"127.0.0.1:{there.port}"
    assert len(got.headers["webhook-signature"].split(" ")) == 2
    assert got.json == payload(message())


async def test_a_receiver_that_knows_one_of_them_is_content(there: Endpoint) -> None:
    await send(there.url(), OLD)
    await send(there.url(), base64.b64encode(b"unknown!" * 4).decode())
    assert [got.verified_by for got in there.got] == [[OLD], []]


async def test_the_signed_time_is_that_of_the_try(there: Endpoint) -> None:
    """Five minutes off, and receivers refuse it: an old try must not be signed again as it was."""
    sender = WebhookSender(Secret(there.url()), [Secret(NEW)], poster())
    told = notification()
    await sender.send(Message(told.delivery_id, time.time() - 3600, told))
    await sender.send(Message(told.delivery_id, time.time(), told))
    await sender.close()
    assert [got.verified_by for got in there.got] == [[], [NEW]]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_failure_and_not_followed(status: int, there: Endpoint) -> None:
    async with endpoint() as elsewhere:
        there.answers.append(web.Response(status=status, headers={"Location": elsewhere.url()}))
        outcome = await send(there.url())
        assert elsewhere.got == []
    assert outcome == Outcome(
        "give_up", f"answered {status}, a redirect: give the receiver its final URL"
    )
    assert len(there.got) == 1


async def test_a_receiver_that_hangs(there: Endpoint) -> None:
    there.answers.append("hang")
    outcome = await send(there.url(), timeouts=SHORT)
    assert outcome == Outcome("retry", "no answer within 0.3 s")


async def test_a_receiver_that_drips() -> None:
    """Each byte in time, the answer never: the bound is on the whole."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        try:
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            return
        finally:
            writer.close()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(f"http://127.0.0.1:{port}/", timeouts=SHORT)
    assert outcome == Outcome("retry", "no answer within 0.3 s")


async def test_an_endless_answer_is_not_read() -> None:
    """Its status says all: what follows costs neither memory nor time."""
    sent = 0
    over = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
                await writer.drain()
                sent += 65_536
        except ConnectionError:
            over.set()
        finally:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert (await send(f"http://127.0.0.1:{port}/")).verdict == "delivered"
        await asyncio.wait_for(over.wait(), 10)
    assert sent < 32 * 2**20  # what the kernel's buffers took


async def test_headers_without_end_are_refused() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n")
        try:
            while True:
                writer.write(b"X-Much: " + b"x" * 65_536 + b"\r\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(f"http://127.0.0.1:{port}/")
    assert outcome.verdict == "retry"
    assert "is not HTTP" in outcome.reason


async def test_what_the_network_does_has_words(there: Endpoint) -> None:
    there.answers.append("drop")
    assert "closed the connection" in (await send(there.url())).reason
    async with endpoint() as gone:
        url = gone.url()
    refused = await send(url)
    assert refused == Outcome("retry", "127.0.0.1: connection refused")
    unknown = Poster(Guard((), Names()), SystemClock())
    outcome = await unknown.post(httpx.URL("http://nowhere.example/"), b"", {})
    assert outcome.verdict == "retry"
    assert outcome.reason == "nowhere.example has no address: Name or service not known"
    await unknown.close()


async def test_a_name_server_that_hangs() -> None:
    class Hangs(Names):
        async def addresses(self, host: str) -> Any:
            await asyncio.Event().wait()

    slow = poster(SHORT, Hangs())
    outcome = await slow.post(httpx.URL("http://slow.example/"), b"", {})
    await slow.close()
    assert outcome == Outcome("retry", "slow.example was not resolved within 0.2 s")


@pytest.mark.parametrize("header", ["120", "soon"])
async def test_retry_after_is_taken_from_the_answer(header: str, there: Endpoint) -> None:
    there.answers.append(web.Response(status=429, headers={"Retry-After": header}))
    outcome = await send(there.url())
    assert outcome == Outcome("retry", "answered 429", 120 if header == "120" else None)


async def test_proxies_of_the_environment_are_not_used(
    there: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with endpoint() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert (await send(there.url())).verdict == "delivered"
        assert proxy.got == []
    assert len(there.got) == 1


async def test_a_password_in_the_url_is_basic_authentication(there: Endpoint) -> None:
    await send(f"http://me:p%40ss@127.0.0.1:{there.port}/")
    assert there.got[0].headers["Authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()


async def test_tls_is_to_the_name_at_the_address_that_was_checked() -> None:
    ca = trustme.CA()
    server, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("hooks.example").configure_cert(server)
    ca.configure_trust(trust)
    asked: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: asked.append(name)
    names = Names(
        hooks_example=[[ip_address("127.0.0.1")]], other_example=[[ip_address("127.0.0.1")]]
    )
    async with endpoint(tls=server) as there:
        client = Poster(Guard(LOOPBACK, names), SystemClock(), ssl_context=trust)
        good = await client.post(httpx.URL(there.url("hooks.example", "https")), b"{}", {})
        wrong = await client.post(httpx.URL(there.url("other.example", "https")), b"{}", {})
        plain = await client.post(httpx.URL(there.url("127.0.0.1", "https")), b"{}", {})
        await client.close()
    assert good == Outcome("delivered", "answered 200")
    assert there.got[0].headers["Host"] == f"hooks.example:{there.port}"
    assert asked[:2] == ["hooks.example", "other.example"]
    for outcome in (wrong, plain):
        assert outcome.verdict == "retry"
        assert "its certificate is not accepted (" in outcome.reason
    assert len(there.got) == 1


SECRETS = ("tops3cret", NEW, OLD, NEW.removeprefix("whsec_"), "new" * 10, "old" * 10)


@pytest.mark.parametrize(
    "answer", [None, 200, 301, 400, 404, 410, 429, 500, "hang", "drop", "inside", "no name"]
)
async def test_no_secret_is_told_whatever_happens(
    answer: int | str | None, there: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything is logged, down to the libraries' debugging; nothing of it holds a secret."""
    caplog.set_level(logging.DEBUG)
    host, scheme = "127.0.0.1", "http"
    if answer == "inside":
        host = "127.0.0.2"
    elif answer == "no name":
        host = "nowhere.example"
    elif answer is None:
        scheme = "https"  # of a port that speaks none
    elif isinstance(answer, int):
        echo = f"{NEW} tops3cret"
        headers = {"X-Echo": echo, "Location": f"http://x.example/tops3cret?{NEW}"}
        there.answers.append(web.Response(status=answer, text=echo, reason=None, headers=headers))
    else:
        there.answers.append(answer)
    environ = {
        "URL": f"{scheme}://me:tops3cret@{host}:{there.port}/tops3cret?key=tops3cret",
        "KEYS": f"{NEW} {OLD}",
    }
    table = {
        "name": "ops",
        "kind": "webhook",
        "url_env": "URL",
        "secret_env": "KEYS",
        "allow": ["127.0.0.1"],
    }
    receivers = read_receivers([table], environ)
    resolver = Names() if answer == "no name" else None
    log = MemoryDeliveryLog()
    timeouts = SHORT if answer == "hang" else USUAL
    make = SenderFactory(resolver=resolver, timeouts=timeouts)
    notifier = Notifier(receivers, log, sender_of=make)
    async with started(notifier):
        delivery = await notifier.notify(notification(transition()))

        async def tried() -> Any:
            record = await log.last(delivery)
            return record if record is not None and record.tries else None

        record = await wait_until(tried)
    told = "\n".join([repr(receivers), repr(record), str(record.as_dict()), caplog.text])
    told += repr([vars(one) for one in caplog.records])
    told += "".join(got.body.decode() for got in there.got)
    for secret in SECRETS:
        assert secret not in told
    assert record.status == {200: "delivered", 301: "parked", 400: "parked"}.get(
        answer if isinstance(answer, int) else 0, record.status
    )


async def test_the_wall_of_the_guard_is_named_in_what_is_parked(there: Endpoint) -> None:
    log = MemoryDeliveryLog()
    table = {"name": "ops", "kind": "webhook", "url": there.url(), "secret_env": "S"}
    notifier = Notifier(read_receivers([table], {"S": NEW}), log)
    async with started(notifier):
        await notifier.notify(notification())
        (parked,) = await wait_until(notifier.parked)
    assert parked.reason == (
        "not sent: 127.0.0.1 is a loopback address; if that is meant, "
        'let the receiver have allow = ["127.0.0.1"]'
    )
    assert there.got == []
