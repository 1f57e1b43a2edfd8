"""Each example runs as it stands, and its events arrive in Kafka."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer

from headrace.cli.demo.llm_server import Reply, ScriptedLLM, ToolCall
from headrace.events.envelope import Envelope, decode
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import topic_admin
from tests.support import unique

EXAMPLES = Path(__file__).parents[2] / "examples"
WRITE = ToolCall("write_file", {"file_path": "report.txt", "content": "old"})


@dataclass
class Bench:
    """Where an example runs: Kafka, a model with a script, a directory."""

    settings: Settings
    llm: ScriptedLLM
    directory: Path

    def environ(self, *replies: Reply) -> dict[str, str]:
        self.llm.add("example", "m", replies)
        kept = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
        return kept | {
            "PYTHONUNBUFFERED": "1",  # as at a terminal: what is printed is there
            "HEADRACE_KAFKA": self.settings.need_kafka().bootstrap_servers,
            "HEADRACE_TOPIC_PREFIX": self.settings.topic_prefix,
            "HEADRACE_TENANT": "acme",
            "HEADRACE_SPOOL_DIR": str(self.directory / "spool"),
            "OPENAI_API_KEY": "k",
            "OPENAI_BASE_URL": self.llm.base_url("example"),
            "OPENAI_MODEL": "m",
        }

    @contextmanager
    def running(self, name: str, *args: str, replies: tuple[Reply, ...]) -> Iterator[Any]:
        process = subprocess.Popen(
            [sys.executable, str(EXAMPLES / name), *args],
            cwd=self.directory,
            env=self.environ(*replies),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, name: str, message: str, *replies: Reply, says: str = "") -> str:
        with self.running(name, message, replies=replies) as process:
            out, err = process.communicate(says, timeout=60)
            assert process.returncode == 0, err
            assert err == ""
            text: str = out
            return text

    def events(self, ends: int = 1, topic: str = "agent.events") -> list[Envelope]:
        """Everything in the topic, once that many epochs have ended."""
        return asyncio.run(asyncio.wait_for(self._read(ends, topic), 30))

    async def _read(self, ends: int, topic: str) -> list[Envelope]:
        consumer = AIOKafkaConsumer(
            self.settings.topic(topic),
            auto_offset_reset="earliest",
            **self.settings.need_kafka().client_kwargs(),
        )
        await consumer.start()
        found: list[Envelope] = []
        try:
            while [event.type for event in found].count("headrace.epoch_end") < ends:
                found.append(decode((await consumer.getone()).value))
        finally:
            await consumer.stop()
        return sorted(found, key=lambda event: (event.session, event.seq))


@pytest.fixture
def bench(kafka: str, tmp_path: Path) -> Iterator[Bench]:
    settings = Settings(
        state_dir=tmp_path, kafka=KafkaSettings(kafka), topic_prefix=unique() + ".", partitions=1
    )
    asyncio.run(topic_admin.apply(settings))
    with ScriptedLLM() as llm:
        yield Bench(settings, llm, tmp_path)


def test_drop_in(bench: Bench) -> None:
    out = bench.run("drop_in.py", "What is a head race?", Reply("It brings water to the mill."))
    assert out == "It brings water to the mill.\n"
    events = bench.events()
    assert {(e.tenant, e.session, e.user) for e in events[:-1]} == {("acme", "drop-in-1", "ada")}
    assert "".join(e.data["chunk"] for e in events if e.type == "llm_text") in out


@pytest.mark.parametrize(("says", "outcome"), [("y\n", "allow"), ("n\n", "reject")])
def test_attach(bench: Bench, says: str, outcome: str) -> None:
    replies = (Reply(tools=(WRITE,)), Reply("As you say."))
    out = bench.run("attach.py", "Write the report.", *replies, says=says)
    assert out.endswith("As you say.\n")
    assert (bench.directory / "report.txt").exists() == (outcome == "allow")
    events = bench.events()
    assert events[0].type == "session_start"
    (resolved,) = (e.data for e in events if e.type == "confirmation_resolved")
    assert (resolved["outcome"], resolved["answered_by"]) == (outcome, "ada")


def test_web(bench: Bench) -> None:
    replies = (Reply("Hello Ada."), Reply("Hello Ben."), Reply("Still here."))
    asked = [("s-1", "ada"), ("s-2", "ben"), ("s-1", "ada")]
    with bench.running("web.py", "0", replies=replies) as process:
        address = process.stdout.readline().split()[3]
        answers = []
        for session, user in asked:
            body = json.dumps({"session": session, "user": user, "message": "hi"}).encode()
            with urllib.request.urlopen(f"{address}/chat", body, timeout=30) as response:
                answers.append(json.load(response)["reply"])
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert answers == ["Hello Ada.", "Hello Ben.", "Still here."]
    assert err == ""
    events = bench.events(ends=2)
    turns = [(e.session, e.user, e.turn) for e in events if e.type == "turn_end"]
    assert turns == [("s-1", "ada", 1), ("s-1", "ada", 2), ("s-2", "ben", 1)]


BROWSER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_chat_api(bench: Bench) -> None:
    look = Reply(tools=(ToolCall("list_directory", {"directory_path": "."}),))
    replies = (look, Reply("Nothing here."), Reply("Hello Ben."))
    asked = [("s-1", "ada", BROWSER), ("s-2", "ben", None)]
    with bench.running("chat_api.py", "0", replies=replies) as process:
        running = next(line for line in process.stderr if "running on" in line)
        address = re.findall(r"http://[0-9.:]+", running)[0]
        answers = []
        for session, user, traceparent in asked:
            body = json.dumps({"session_id": session, "user_id": user, "message": "hi"}).encode()
            headers = {"Content-Type": "application/json"}
            headers |= {"traceparent": traceparent} if traceparent else {}
            request = urllib.request.Request(f"{address}/chat", body, headers)
            with urllib.request.urlopen(request, timeout=30) as response:
                answers.append(json.load(response)["reply"])
        process.terminate()
        out, err = process.communicate(timeout=30)
        assert process.returncode in (0, -signal.SIGTERM), err
    assert answers == ["Nothing here.", "Hello Ben."]
    spans = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    # FastAPI may make spans of its own.
    spans = [span for span in spans if span["name"].endswith("_chat")]
    events = bench.events(ends=2)
    for number, (session, user, traceparent) in enumerate(asked):
        agent_chat, user_chat = spans[2 * number : 2 * number + 2]
        assert [agent_chat["name"], user_chat["name"]] == ["agent_chat", "user_chat"]
        assert user_chat["attributes"] == {"user.id": user, "session.id": session}
        assert agent_chat["parent_id"] == user_chat["context"]["span_id"]
        trace, span = (agent_chat["context"][key][2:] for key in ("trace_id", "span_id"))
        ours = [event for event in events if event.session == session]
        in_turn = {str(event.trace)[:-2] for event in ours if event.turn is not None}
        assert in_turn == {f"00-{trace}-{span}-"}  # and flags
        assert {event.trace for event in ours if event.turn is None} == {None}
        if traceparent:
            _, of_browser, its_span, _ = traceparent.split("-")
            assert trace == of_browser
            assert user_chat["parent_id"] == f"0x{its_span}"
            assert "tool_complete" in {event.type for event in ours}


def test_logs(bench: Bench) -> None:
    out = bench.run("logs.py", "How many?", Reply("Three."))
    lines = [json.loads(line) for line in out.splitlines()]
    essential = ("session_id", "tenant_id", "user_id", "message")
    told = [tuple(line[name] for name in essential) for line in lines if line["logger"] == "shop"]
    assert told == [
        ("order-17", "acme", "ada", "an order comes in"),
        ("order-17", "acme", "ada", "Three."),
    ]
    records = [e for e in bench.events(ends=1, topic="agent.logs") if e.type == "log"]
    assert {(e.session, e.user) for e in records} == {("order-17", "ada")}
    assert len(records) == len(lines)
    assert any(e.data["logger"].startswith("agentao") for e in records)


def test_every_example_is_run() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    for program in EXAMPLES.glob("*.py"):
        assert f'"{program.name}"' in tested
        assert program.name in (EXAMPLES / "README.md").read_text(encoding="utf-8")
