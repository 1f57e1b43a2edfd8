"""A person planted everywhere, and a search that shares no code with the one that is tested."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterator
from pathlib import Path

import cramjam
from aiokafka import AIOKafkaProducer

from headrace.events.settings import Settings
from headrace.producers import EventProducer, LogHandler
from tests.cli.conftest import EPOCH, START, line
from tests.otlp.spans import record as span_record


def record(settings: Settings, tenant: str, *sessions: tuple[str, str | None, str]) -> None:
    """Let the hook record small sessions in which a word stands wherever one can.

    Each is given as its name, its user and the word.
    """
    spool = settings.state_dir / "spool"
    with EventProducer(settings.need_kafka(), tenant=tenant, spool_dir=spool) as producer:
        logs = LogHandler(producer)
        for session, user, word in sessions:
            whose = {"session_id": session, "user_id": user}
            logs.handle(logging.makeLogRecord({"msg": f"says {word}", "said": word, **whose}))
            hook = producer.hook(session=session, user=user)
            hook.emit("turn_begin", {"user_message": f"I am {word} \u00e9"})
            for number in range(20):
                hook.emit("tool_start", {"tool": "send", "args": {"to": word, "n": number}})
                hook.emit("tool_complete", {"tool": "send", "status": "ok", "result": word * 3})
            hook.emit("turn_end", {"final_text": f"done, {word}"})
    assert producer.report().spooled == logs.report().spooled == 0


async def dead_letter(settings: Settings, tenant: str, session: str, user: str, word: str) -> None:
    """Send an event that ClickHouse refuses."""
    value = line(tenant, session, 1, "x", {"text": word}, user=user, turn=-1, epoch="d" * 16)
    async with AIOKafkaProducer(**settings.need_kafka().client_kwargs()) as producer:
        await producer.send_and_wait(settings.topic("agent.events"), value, session.encode())


async def spans(settings: Settings, tenant: str, *sessions: tuple[str, str, str]) -> None:
    """Send a span of each session: its name, its user and a word that stands in it."""
    async with AIOKafkaProducer(**settings.need_kafka().client_kwargs()) as producer:
        for session, user, word in sessions:
            value = span_record(tenant, session=session, user=user, StatusMessage=word * 3)
            await producer.send_and_wait(settings.topic("agent.spans"), value, session.encode())


def files_with(directory: Path, *words: str) -> list[str]:
    """Find files that hold a word: as they are, or unpacked."""
    wanted = [word.encode() for word in words]
    return [
        str(path.relative_to(directory))
        for path in sorted(directory.rglob("*"))
        if path.is_file() and any(word in content for content in contents(path) for word in wanted)
    ]


def contents(path: Path) -> Iterator[bytes]:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:  # a part that was being written is one under another name by now
        return
    yield raw
    if path.suffix == ".bin":
        yield b"".join(blocks(raw))
    if path.suffix == ".state":
        yield zlib.decompress(raw)


def blocks(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(raw):
        method = raw[at + 16]
        size = int.from_bytes(raw[at + 17 : at + 21], "little")
        whole = int.from_bytes(raw[at + 21 : at + 25], "little")
        body = raw[at + 25 : at + 16 + size]
        if method == 0x82:
            yield bytes(cramjam.lz4.decompress_block(body, output_len=whole))
        elif method == 0x90:
            yield bytes(cramjam.zstd.decompress(body))
        else:
            yield body
        at += 16 + size


__all__ = ["EPOCH", "START", "dead_letter", "files_with", "record", "spans"]
