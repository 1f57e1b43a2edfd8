"""Record the sample that realistic.py builds its mix from: real agentao agents, a plain list hook.

Run it as ``python benchmarks/record_sample.py``. It writes ``data/events.jsonl.gz``: one line an
event, ``{"session": ..., "type": ..., "data": ...}``, in the order in which the hook saw them. Half
of the sessions are the demo's; the others read real source files and answer at length, as a coding
agent does.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import inspect
import json
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from headrace.cli.demo.cast import build, play
from headrace.cli.demo.llm_server import Reply, ScriptedLLM, ToolCall
from headrace.cli.demo.scenarios import SCENARIOS, Scenario, Turn

TARGET = Path(__file__).parent / "data" / "events.jsonl.gz"
MODULES = ("textwrap", "json.decoder", "queue", "heapq", "contextlib", "asyncio.locks")
CODE_TURNS = 2
LONGEST_ANSWER = 2_400


def _explain(name: str) -> Scenario:
    """Describe a session that reads a module of the standard library and explains it."""
    module = __import__(name, fromlist=["_"])
    source = inspect.getsource(module)
    prose = "\n\n".join(
        f"`{key}`: {' '.join((inspect.getdoc(value) or '').split())}"
        for key, value in vars(module).items()
        if not key.startswith("_") and inspect.getdoc(value)
    )
    answer = textwrap.shorten(prose, LONGEST_ANSWER, placeholder=" ...")
    file = f"{name.rpartition('.')[2]}.py"
    half = len(answer) // 2
    return Scenario(
        session=f"explain-{name.replace('.', '-')}",
        tenant="initech",
        user="kim",
        agent="coder",
        model="gpt-5-codex",
        files={file: source, "notes.md": prose},
        turns=tuple(
            Turn(
                f"Read {file} and explain it to me, part {part}.",
                (
                    Reply(
                        f"I will read {file} and the notes.",
                        thinking=" ".join(answer.split()[:120]),
                        tools=(
                            ToolCall("read_file", {"file_path": file}),
                            ToolCall("read_file", {"file_path": "notes.md"}),
                            ToolCall("search_file_content", {"pattern": "def "}),
                        ),
                    ),
                    Reply(answer[half * (part - 1) : half * part]),
                ),
            )
            for part in range(1, CODE_TURNS + 1)
        ),
    )


async def record() -> list[dict[str, Any]]:
    scenarios = [*SCENARIOS, *map(_explain, MODULES)]
    stop = threading.Event()
    seen: list[dict[str, Any]] = []

    @contextlib.contextmanager
    def attach(agent: Any, session: str) -> Iterator[None]:
        def hook(event: Any) -> None:
            # Text now: the runtime may change what it handed over.
            seen.append(json.loads(json.dumps({"type": event.type.value, "data": event.data})))
            seen[-1]["session"] = session

        unsubscribe = agent.transport.subscribe(hook)
        yield
        unsubscribe()

    with ScriptedLLM() as llm, tempfile.TemporaryDirectory() as directory:
        for scenario in scenarios:
            agent = build(scenario, llm, Path(directory) / scenario.session, stop)
            if scenario.answer == "late":
                threading.Timer(1.0, stop.set).start()
            await play(scenario, agent, partial(attach, session=scenario.session))
            agent.close()
    return json.loads(json.dumps(seen).replace(directory, "/srv/agents"))  # type: ignore[no-any-return]


def main() -> None:
    events = asyncio.run(record())
    lines = "".join(
        json.dumps({"session": e["session"], "type": e["type"], "data": e["data"]}) + "\n"
        for e in events
    )
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(lines.encode(), mtime=0))
    print(f"{len(events)} events, {len(lines) / len(events):.0f} bytes each, in {TARGET.name}")


if __name__ == "__main__":
    main()
