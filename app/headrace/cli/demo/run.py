"""``headrace demo``: from agents to SQL, once, and everything put away again."""

from __future__ import annotations

import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from headrace.cli.archive import connect
from headrace.cli.demo.llm_server import ScriptedLLM
from headrace.cli.demo.performance import (
    Accepted,
    count_archived,
    perform,
    rehearsal,
    wait_archived,
)
from headrace.cli.demo.progress import Line
from headrace.cli.demo.results import totals
from headrace.cli.demo.show import adds_up, show, where
from headrace.cli.output import print_json
from headrace.cli.verify.accounting import Totals, account, total
from headrace.cli.verify.queries import Scope, read_epochs, with_end_totals
from headrace.events.settings import Settings
from headrace.local.stack import LocalStack


def run(*, as_json: bool = False, keep: bool = False, state_dir: Path | None = None) -> int:
    """Run the demo. Returns 0, or 1 where the accounting does not add up.

    Raises HeadraceError where a part does not start, and KeyboardInterrupt at SIGINT or SIGTERM;
    by then nothing runs any more, and what was not to be kept is gone.
    """
    started = time.monotonic()
    with ExitStack() as cleanup:
        cleanup.enter_context(_one_interrupt())
        home = cleanup.enter_context(_home(keep, state_dir))
        with Line(quiet=as_json) as line, ScriptedLLM() as llm:
            line.say("Starting Kafka, ClickHouse and the archive")
            settings, ensemble = cleanup.enter_context(_started(home, llm))
            with connect(settings) as archive:
                before = count_archived(archive)
                sent = perform(ensemble, settings, line)
                wanted = before + sent.accepted - sum(sent.dropped.values())
                wait_archived(archive, wanted, line)
                found = _account(archive)
                what = totals(archive)
        fine = adds_up(found, sent) or bool(before)
        with connect(settings) as archive:
            if as_json:
                print_json(_json(what, found, sent, started, fine))
            else:
                show(archive, what, found, sent)
                if keep or state_dir:
                    where(home)
    return 0 if fine else 1


@contextmanager
def _started(home: Path, llm: ScriptedLLM) -> Iterator[tuple[Settings, Any]]:
    """Start the stack, and make the agents while it starts."""
    with ExitStack() as cleanup, ThreadPoolExecutor(1, "headrace-demo") as beside:
        making = beside.submit(cleanup.enter_context, rehearsal(llm))
        stack = cleanup.enter_context(LocalStack(home))
        yield stack.settings, making.result()


def _account(archive: Any) -> Totals:
    now = time.time()
    return total(
        account(with_end_totals(archive, found) if found.end else found, now=now)
        for found in read_epochs(archive, Scope())
    )


def _json(
    what: dict[str, Any], found: Totals, sent: Accepted, started: float, fine: bool
) -> dict[str, Any]:
    return what | {
        "events_accepted": sent.accepted,
        "events_delivered": sent.delivered,
        "events_archived": found.archived,
        "events_dropped": dict(sent.dropped),
        "events_missing": found.missing,
        "adds_up": fine,
        "seconds": round(time.monotonic() - started, 3),
    }


@contextmanager
def _home(keep: bool, state_dir: Path | None) -> Iterator[Path]:
    """Give the stack a directory: the user's own stays, ours goes unless it is to be kept."""
    if state_dir is not None:
        yield state_dir.absolute()
        return
    directory = Path(tempfile.mkdtemp(prefix="headrace-demo-"))
    try:
        yield directory
    finally:
        if not keep:
            shutil.rmtree(directory, ignore_errors=True)


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
