"""What tail-file does, whatever the broker: inherited for the embedded and for a real Kafka."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from headrace.cli.demo.llm_server import Reply, ScriptedLLM, ToolCall
from headrace.events import topics
from headrace.events.envelope import decode
from headrace.events.settings import KafkaSettings, Settings
from headrace.streams import topic_admin
from tests.agentao.recording import Studio
from tests.support import unique, wait_until

PARTITIONS = 2


class Stack:
    """Topics of one's own, and the command on them."""

    def __init__(self, kafka: str, directory: Path) -> None:
        self.directory = directory
        self.settings = Settings(
            state_dir=directory / "state",
            kafka=KafkaSettings(kafka),
            topic_prefix=unique("tail") + ".",
            partitions=PARTITIONS,
        )

    def start(self, *words: object, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")} | {
            "HEADRACE_KAFKA": self.settings.need_kafka().bootstrap_servers,
            "HEADRACE_TOPIC_PREFIX": self.settings.topic_prefix,
            "HEADRACE_STATE_DIR": str(self.settings.state_dir),
        }
        command = [sys.executable, "-m", "headrace.cli.main", "tail-file", *map(str, words)]
        return subprocess.Popen([*command, "--json"], env=environ, stdout=stdout)

    async def once(self, *words: object) -> dict[str, Any]:
        process = self.start(*words, "--once", stdout=subprocess.PIPE)
        out, _ = await asyncio.to_thread(process.communicate, timeout=60)
        assert process.returncode == 0
        found: dict[str, Any] = orjson.loads(out)
        return found

    async def records(self) -> list[Any]:
        """Everything in the topic."""
        topic = self.settings.topic(topics.LOGS)
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.need_kafka().bootstrap_servers)
        await consumer.start()
        try:
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            ends = await consumer.end_offsets(places)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            found: list[Any] = []
            for place in places:
                while await consumer.position(place) < ends[place]:
                    batch = await consumer.getmany(place, timeout_ms=1000)
                    found += [decode(one.value or b"") for one in batch.get(place, ())]
            return found
        finally:
            await consumer.stop()

    async def messages(self) -> list[str]:
        """The distinct records by identity, in the order of their numbers in each file."""
        there = {(one.epoch, one.seq): one for one in await self.records() if one.type == "log"}
        return [str(one.data["message"]) for one in there.values()]


class TailFileBehaviour:
    @pytest.fixture
    async def stack(self, kafka: str, tmp_path: Path) -> Stack:
        stack = Stack(kafka, tmp_path)
        await topic_admin.apply(stack.settings)
        return stack

    async def test_the_log_of_a_real_agent(self, stack: Stack) -> None:
        call = ToolCall("get_order", {"order_id": "o-1"})
        began = time.time()
        with ScriptedLLM() as llm:
            studio = Studio(llm, stack.directory)
            agent = studio.agent(
                [Reply(tools=(call,)), Reply("it is on its way\nreally")], tools=["get_order"]
            )
            agent.chat("Where is my order?")
            studio.close()
        path = stack.directory / "agent-0" / "agentao.log"
        heads = [line for line in path.read_bytes().splitlines() if line[2:3] == b":"]
        assert (await stack.once(path, "--tenant", "acme"))["records"] == len(heads)
        assert (await stack.once(path, "--tenant", "acme"))["records"] == 0
        found = await stack.records()
        assert [one.seq for one in found] == list(range(1, len(heads) + 1))
        assert {(one.tenant, one.session, one.type) for one in found} == {
            ("acme", "unbound", "log")
        }
        assert all(int(began) - 1 <= one.ts <= time.time() for one in found)
        assert any("it is on its way\n" in one.data["message"] for one in found)

    async def test_rotated_cut_off_killed_and_stopped_while_it_is_written(
        self, stack: Stack
    ) -> None:
        pattern = f"{stack.directory}/tenant-{{tenant}}/agentao.log"
        words = (f"{stack.directory}/tenant-*/agentao.log", "--tenant-from-path", pattern)
        path = stack.directory / "tenant-acme" / "agentao.log"
        path.parent.mkdir()
        written: list[str] = []

        def write(count: int) -> None:
            with path.open("a") as file:
                for _ in range(count):
                    written.append(f"message {len(written)}")
                    file.write(f"12:00:00.{len(written) % 1000:03d} {written[-1]}\n")

        async def all_there() -> bool:
            return set(await stack.messages()) >= set(written)

        process = stack.start(*words)
        try:
            write(100)  # a file that appears later
            await wait_until(all_there, 60, interval=0.3)
            path.rename(path.with_suffix(".log.1"))
            write(50)
            process.kill()
            process.wait(10)
            write(50)
            process = stack.start(*words)
            await wait_until(all_there, 60, interval=0.3)
            os.truncate(path, 0)
            write(30)
            await wait_until(all_there, 60, interval=0.3)
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 20) == 0
            write(20)
            await stack.once(*words)
        finally:
            process.kill()
            process.wait(10)
        assert sorted(await stack.messages()) == sorted(written)
        assert {one.tenant for one in await stack.records()} == {"acme"}
