"""``headrace demo``: from agents to SQL, once, and everything put away again."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

from headrace.cli.archive import connect
from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.performance import (
    SPOOL,
    Accepted,
    count_archived,
    perform,
    rehearsal,
    wait_archived,
)
from headrace.cli.demo.progress import Line
from headrace.cli.demo.results import totals
from headrace.cli.demo.show import show, where
from headrace.cli.output import print_json
from headrace.cli.verify.queries import Scope
from headrace.cli.verify.run import Verdict, verify
from headrace.events.settings import Settings
from headrace.local.stack import LocalStack

REMOVALS: Final = 20
"""Tries, a tenth of a second apart: what is ending may still write."""


def run(*, as_json: bool = False, keep: bool = False, state_dir: Path | None = None) -> int:
    """Run the demo. Returns 0, or 1 where the accounting does not add up.

    Raises HeadraceError where a part does not start, and KeyboardInterrupt at SIGINT or SIGTERM;
    by then nothing runs any more, and what was not to be kept is gone.
    """
    started = time.monotonic()
    with ExitStack() as cleanup:
        cleanup.enter_context(_one_interrupt())
        places = cleanup.enter_context(_places(keep, state_dir))
        with Line(quiet=as_json) as line, ScriptedLLM() as llm:
            line.say("Starting Kafka, ClickHouse and the archive")
            settings, ensemble = cleanup.enter_context(_started(places, llm))
            with connect(settings) as archive:
                before = count_archived(archive)
                sent = perform(ensemble, settings, line)
                wanted = before + sent.accepted - sum(sent.dropped.values())
                wait_archived(archive, wanted, line)
                what = totals(archive)
            line.say("Accounting for every event")
            verdict = verify(replace(settings, spool_dir=places.state / SPOOL), Scope())
        fine = _fine(verdict, sent, before)
        with connect(settings) as archive:
            if as_json:
                print_json(_json(what, verdict, sent, started, fine))
            else:
                show(archive, what, verdict, sent)
                if keep or state_dir:
                    where(places.state)
    return 0 if fine else 1


@contextmanager
def _started(places: Places, llm: ScriptedLLM) -> Iterator[tuple[Settings, Any]]:
    """Start the stack, and make the agents while it starts."""
    with ExitStack() as cleanup, ThreadPoolExecutor(1, "headrace-demo") as beside:
        making = beside.submit(cleanup.enter_context, rehearsal(llm, places.agents))
        stack = cleanup.enter_context(LocalStack(places.state))
        yield stack.settings, making.result()


def _fine(verdict: Verdict, sent: Accepted, before: int) -> bool:
    """Whether the archive got exactly what the hook took, and can account for all that it has."""
    expected = before + sent.accepted - sum(sent.dropped.values())
    return verdict.adds_up and verdict.totals.archived == expected


def _json(
    what: dict[str, Any], verdict: Verdict, sent: Accepted, started: float, fine: bool
) -> dict[str, Any]:
    return what | {
        "events_accepted": sent.accepted,
        "events_delivered": sent.delivered,
        "events_archived": verdict.totals.archived,
        "events_dropped": dict(sent.dropped),
        "events_missing": verdict.totals.missing,
        "adds_up": fine,
        "seconds": round(time.monotonic() - started, 3),
    }


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are while the demo runs."""

    state: Path
    """Of the stack."""
    agents: Path
    """The agents' working directories."""


@contextmanager
def _places(keep: bool, state_dir: Path | None) -> Iterator[Places]:
    """Make a directory for everything; what is not to be kept is gone at the end.

    The temporary files of all that is started go there too: a process that is killed leaves some.
    """
    root = Path(tempfile.mkdtemp(prefix="headrace-demo-"))
    temporary = root / "tmp"
    temporary.mkdir()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(temporary)
    try:
        yield Places(state_dir.absolute() if state_dir else root / "state", root / "agents")
    finally:
        if before is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before
        kept = keep and state_dir is None
        for directory in (root / "agents", temporary) if kept else (root,):
            _remove(directory)


def _remove(directory: Path) -> None:
    for _ in range(REMOVALS):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.1)


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM end the demo, and no second one disturb the putting away."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
