"""Apprise in a process of its own: it delivers, leads nowhere inside, is ended, tells nothing."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import web

from headrace.sinks.notify.apprise_child import Statuses, Watch
from headrace.sinks.notify.apprise_sender import AppriseSender, judged
from headrace.sinks.notify.message import Message
from headrace.sinks.notify.outcome import Outcome
from headrace.sinks.notify.secret import Secret
from tests.notify.endpoint import endpoint
from tests.notify.things import NOW, notification, transition

LOOPBACK = (ip_network("127.0.0.1"),)


async def send(*urls: str, allow: Sequence[Any] = LOOPBACK, seconds: float = 60) -> Outcome:
    told = notification(transition(), transition("resolved", "a2"))
    sender = AppriseSender([Secret(url) for url in urls], allow, seconds=seconds)
    try:
        return await sender.send(Message(told.delivery_id, NOW, told))
    finally:
        await sender.close()


async def test_it_reaches_every_url() -> None:
    async with endpoint() as one, endpoint() as two:
        outcome = await send(
            f"json://user:topsecret@127.0.0.1:{one.port}/path", f"form://127.0.0.1:{two.port}"
        )
        assert outcome == Outcome("delivered", "Apprise delivered it")
        assert len(two.got) == 1
    (got,) = one.got
    assert got.json["title"] == "[FIRING:1] ToolFailureRate"
    assert got.json["type"] == "warning"
    assert "[firing] run_sql fails in 23 % of its calls" in got.json["message"]
    assert "[resolved] run_sql fails" in got.json["message"]


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(404, "give_up"), (410, "gone"), (429, "retry"), (503, "retry"), (302, "give_up")],
)
async def test_what_a_service_answers(status: int, verdict: str) -> None:
    async with endpoint() as there, endpoint() as elsewhere:
        headers = {"Location": elsewhere.url()} if status == 302 else {}
        there.answers.append(web.Response(status=status, headers=headers))
        outcome = await send(f"json://127.0.0.1:{there.port}/topsecret?redirect=yes")
        assert elsewhere.got == []
    assert outcome.verdict == verdict
    assert f"answered {status}" in outcome.reason
    assert "topsecret" not in outcome.reason


INSIDE = ["127.0.0.1", "localhost", "2130706433", "0x7f000001"]


@pytest.mark.parametrize("host", [*INSIDE, "127.1", "0"])
@pytest.mark.parametrize("scheme", ["json", "mailto", "rsyslog"])
async def test_it_leads_nowhere_inside(scheme: str, host: str) -> None:
    """HTTP by requests, SMTP by smtplib, datagrams: each library connects in its own way."""
    async with endpoint() as there:
        url = {
            "json": f"json://{host}:{there.port}/topsecret",
            "mailto": f"mailto://me:topsecret@{host}:{there.port}?smtp={host}"
            "&from=a@b.example&to=a@b.example",
            "rsyslog": f"rsyslog://{host}:{there.port}/topsecret",
        }[scheme]
        outcome = await send(url, allow=())
        assert there.got == []
    assert outcome.verdict == "give_up", outcome
    assert "topsecret" not in outcome.reason
    if scheme != "rsyslog" and host in INSIDE:
        assert outcome.reason.startswith("not sent: ")
        assert 'let the receiver have allow = ["' in outcome.reason


def children() -> set[psutil.Process]:
    """Return our child processes; other tests' servers, or what is left of them, may be there."""
    return set(psutil.Process().children())


async def test_a_try_that_takes_too_long_is_ended_with_its_process() -> None:
    before = children()
    async with endpoint() as there:
        there.answers.append("hang")
        outcome = await send(f"json://127.0.0.1:{there.port}?rto=60&cto=60", seconds=0.3)
    assert outcome == Outcome("retry", "Apprise did not finish within 0.3 s")
    assert children() <= before, "it runs still, or nobody waited for its end"


async def test_a_url_that_it_does_not_understand_is_named_by_its_number() -> None:
    async with endpoint() as there:
        outcome = await send(f"json://127.0.0.1:{there.port}", "nothing://topsecret")
        assert there.got == []
    assert outcome == Outcome("give_up", "URL 2 is none that Apprise understands")


async def test_its_process_sees_no_environment_and_no_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with endpoint() as proxy, endpoint() as there:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        (tmp_path / "apprise.py").write_text("raise SystemExit(3)\n")
        (tmp_path / "json.py").write_text("raise SystemExit(3)\n")
        monkeypatch.chdir(tmp_path)
        outcome = await send(f"json://127.0.0.1:{there.port}")
        assert proxy.got == []
    assert outcome.verdict == "delivered"


async def test_no_secret_on_the_command_line_or_on_our_output(
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    before = children()

    def look() -> None:
        for child in children() - before:
            seen.extend([*child.cmdline(), *child.environ(), *child.environ().values()])

    monkeypatch.setenv("WHERE", "topsecret")
    async with endpoint() as there:
        there.look = look
        await send(f"json://user:topsecret@127.0.0.1:{there.port}/topsecret")
    assert "headrace.sinks.notify.apprise_child" in seen
    assert "WHERE" not in seen
    assert not any("topsecret" in text for text in seen)
    out, err = capfd.readouterr()
    assert "topsecret" not in out + err + caplog.text


def test_answers_of_the_process() -> None:
    assert judged(b"").verdict == "retry"
    assert judged(b'{"delivered":false}') == Outcome(
        "retry", "Apprise could not deliver it (no status)"
    )
    assert judged(b'{"delivered":false,"status":200}').verdict == "retry"


@pytest.mark.parametrize(
    ("event", "arguments", "why"),
    [
        ("socket.connect", (None, ("10.0.0.5", 80)), "10.0.0.5 is a private address"),
        ("socket.connect", (None, ("fe80::1%2", 80, 0, 2)), "is fe80::1, a link-local address"),
        ("socket.connect", (None, ("localhost", 80)), "what is not an IP address"),
        ("socket.connect", (None, "/run/x.sock"), "what is not an IP address"),
        ("socket.sendto", (None, ("169.254.169.254", 80)), "a link-local address"),
        ("socket.sendmsg", (None, ("10.0.0.5", 80)), "a private address"),
        ("subprocess.Popen", ("sh", [], None, None), "run a program"),
        ("os.system", (b"true",), "run a program"),
        ("os.posix_spawn", ("x", [], {}), "run a program"),
    ],
)
def test_what_the_watch_refuses(event: str, arguments: tuple[Any, ...], why: str) -> None:
    watch = Watch(LOOPBACK)
    with pytest.raises(PermissionError, match=why):
        watch(event, arguments)
    assert watch.refused is not None
    assert why in watch.refused


def test_what_the_watch_lets_pass() -> None:
    watch = Watch(LOOPBACK)
    watch("socket.connect", (None, ("127.0.0.1", 80)))
    watch("socket.connect", (None, ("1.1.1.1", 80)))
    watch("socket.sendmsg", (None, None))
    watch("open", ("/etc/hosts", "r", 0))
    assert watch.refused is None


def test_an_audit_hook_sees_what_is_connected_to() -> None:
    """What the watch relies on: Python tells before it connects, and an error keeps it from it."""
    program = (
        "import sys, socket\n"
        "def hook(event, arguments):\n"
        "    if event == 'socket.connect': raise PermissionError(arguments[-1])\n"
        "sys.addaudithook(hook)\n"
        "try: socket.create_connection(('localhost', int(sys.argv[1])))\n"
        "except PermissionError: sys.exit(7)\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        ran = os.spawnv(
            os.P_WAIT,
            sys.executable,
            [sys.executable, "-c", program, str(server.getsockname()[1])],
        )
        assert ran == 7
        with pytest.raises(BlockingIOError):
            server.accept()


def test_statuses_are_found_and_nothing_else_is_kept() -> None:
    statuses = Statuses()
    for text in ("Failed to send to topsecret: error=503.", "no status", "error=12345"):
        statuses.emit(logging.LogRecord("a", logging.WARNING, "", 0, text, (), None))
    assert statuses.last == 503
