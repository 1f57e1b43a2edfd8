"""The page of evidence: for whom, what it shows, and that each view is told of first."""

from __future__ import annotations

import getpass
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry

from headrace.console import page as page_of_status
from headrace.console.evidence import render
from headrace.events import types
from headrace.events.errors import HeadraceError
from headrace.local.clickhouse.auth import Credentials
from headrace.local.endpoint import Endpoint
from headrace.local.state_dir import StateDir
from tests.cli.conftest import START, Stack
from tests.cli.replay.test_browser import Tab, opened
from tests.desk.evidence import Evidence
from tests.desk.trail import told

WORDS = {"reader": "r", "audit_reader": "a", "writer": "w"}


@pytest.fixture
def page(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.settings.console_url or "", trust_env=False) as client:
        yield client


def test_it_shows_the_clear_part_to_the_audit_reader_alone(
    page: httpx.Client, evidence: Evidence, stack: Stack
) -> None:
    hostile = "<script>alert(1)</script>\u202e\x1b"
    # The page has the latest hundred, and other tests fill the same stack.
    evidence.add("confirmation_resolved", tool=hostile, data={"x": "hidden"}, ts=time.time())
    evidence.seal()
    words = StateDir(stack.settings.state_dir).credentials()
    refused = [("reader", words["reader"]), ("writer", words["writer"]), ("audit_reader", "x")]
    for credential in (None, *refused):
        answer = page.get("/audit", auth=credential)
        assert (answer.status_code, evidence.tenant in answer.text) == (401, False)
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert told(stack.settings, evidence.tenant, types.AUDIT_READ) == []
    answer = page.get("/audit", auth=("audit_reader", words["audit_reader"]))
    assert answer.status_code == 200
    assert evidence.tenant in answer.text
    assert "&lt;/script&gt;\\u202e\\x1b<" in answer.text
    assert not any(text in answer.text for text in ("<script", "hidden", ">ann<"))
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    (event,) = told(stack.settings, evidence.tenant, types.AUDIT_READ)
    assert event["user"] == "audit_reader"
    assert (event["data"]["what"], event["data"]["login"]) == ("page", getpass.getuser())


def test_nothing_of_it_is_on_the_other_pages(page: httpx.Client, evidence: Evidence) -> None:
    evidence.add("confirmation_resolved", tool="rm")
    evidence.seal()
    for path in ("/", "/status.json", "/metrics"):
        assert evidence.tenant not in page.get(path).text
    assert 'href="/audit"' in page.get("/").text


LINES = """cell => {
    const text = document.createRange();
    text.selectNodeContents(cell);
    return new Set(Array.from(text.getClientRects(), line => line.top)).size;
}"""
"""In how many lines the text of a cell stands."""


def lines_of(tab: Tab, row: int) -> list[int]:
    return [one.evaluate(LINES) for one in tab.page.locator(f"tbody tr:nth-child({row}) td").all()]


@pytest.mark.programs
def test_no_word_is_cut_and_what_is_long_has_lines_of_its_own(tmp_path: Path) -> None:
    row = {
        "ts": START,
        "tenant": "acme",
        "class": "confirmation",
        "type": "confirmation_resolved",
        "tool": "issue_refund",
        "user": "0123456789abcdef" * 2,
        "session": "fedcba9876543210" * 2,
        "log": "9f86d081884c7d65-0",
        "index": 1_234_567_890,
    }
    file = tmp_path / "page.html"
    file.write_text(render([row, {**row, "tool": "x" * 2_000}]), encoding="utf-8")
    with opened(file) as tab:
        for width in (1280, 400):
            tab.page.set_viewport_size({"width": width, "height": 720})
            assert lines_of(tab, 1) == [1, 1, 1, 1, 1, 2, 2, 1, 1]
            assert lines_of(tab, 2)[4] > 9
            # A name of any length does not widen it.
            assert tab.page.evaluate("document.documentElement.scrollWidth") < 2_000


@pytest.mark.programs
def test_no_word_of_the_status_is_cut(tmp_path: Path) -> None:
    part = {"name": "clickhouse", "state": "up", "well": True, "since": START, "pid": 1_234_567}
    part |= {"address": "127.0.0.1:49092", "restarts": 12, "trouble": "x" * 200, "last_end": None}
    status = {"state": "ready", "since": START, "parts": [part], "said": []}
    file = tmp_path / "page.html"
    file.write_text(page_of_status.render(status, now=START), encoding="utf-8")
    with opened(file) as tab:
        tab.page.set_viewport_size({"width": 700, "height": 720})
        name, state, _, *short, trouble = lines_of(tab, 1)
        assert [name, state, *short] == [1] * 5
        assert trouble > 3


async def test_what_is_not_told_is_not_shown() -> None:
    def evidence() -> str:
        raise HeadraceError("no page: Kafka did\nnot acknowledge it")

    endpoint = Endpoint(
        status=dict_of_nothing,
        metrics=no_metrics,
        page=None,
        evidence=evidence,
        credentials=Credentials(WORDS),
    )
    port = await endpoint.start()
    try:
        async with httpx.AsyncClient(auth=("audit_reader", "a"), trust_env=False) as client:
            url = f"http://127.0.0.1:{port}/audit"
            answer = await client.get(url)
            assert answer.status_code == 503
            assert answer.text == "no page: Kafka did not acknowledge it\n"
            other = await client.get(url, headers={"Sec-Fetch-Site": "cross-site"})
            assert other.status_code == 403
    finally:
        await endpoint.stop()


async def dict_of_nothing() -> dict[str, object]:
    return {}


async def no_metrics() -> CollectorRegistry:
    return CollectorRegistry()
