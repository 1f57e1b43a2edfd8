"""A worker process: runs processors until it is told to stop or one of them cannot go on.

``python -m headrace.streams.worker archive --metrics-port 0`` prints one JSON line when the status
port is open. It exits 0 after SIGINT or SIGTERM, 1 where a processor gave up or crashed (one line
on stderr says why), 2 where the command line or the settings are wrong, 75 where the watchdog found
a consumer that no longer moves: start it again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from headrace.events.errors import HeadraceError, SettingsError
from headrace.events.settings import Settings, load
from headrace.streams import memory
from headrace.streams.app import remove_directory
from headrace.streams.archiver import ArchiveOptions
from headrace.streams.http import StatusServer
from headrace.streams.limits import DeadLetterLimits
from headrace.streams.processor import Explaining, Processor
from headrace.streams.processors import FACTORIES, Options
from headrace.streams.seal.partition import Limits
from headrace.streams.tuning import Tuning
from headrace.streams.watchdog import Watchdog, joined
from headrace.streams.worker_metrics import Metrics

log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_STALLED = 75

STOP_SECONDS = 15.0
"""For leaving the groups and the last commit. What does not end by then is ended."""

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Everything a worker is told on its command line."""

    names: tuple[str, ...]
    host: str = "127.0.0.1"
    metrics_port: int = 0
    tuning: Tuning = field(default_factory=Tuning)
    archive: ArchiveOptions = field(default_factory=ArchiveOptions)
    seal: Limits = field(default_factory=Limits)
    silence_seconds: float = 3600.0
    stall_seconds: float = 180.0
    watch_interval: float = 5.0


def main(argv: Sequence[str] | None = None) -> None:
    """Run a worker to its end. Never returns.

    A failed Faust app leaves threads that would keep the process alive, so it ends itself.
    """
    options = _parse(argv)
    try:
        settings = load()
    except SettingsError as error:
        sys.exit(_say(EXIT_USAGE, str(error)))
    _run(settings, options)


def _run(settings: Settings, options: WorkerOptions) -> NoReturn:
    logging.basicConfig(
        level=logging.WARNING,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    memory.keep()
    asyncio.run(_run_to_the_end(settings, options))
    os._exit(EXIT_FAILED)


async def _run_to_the_end(settings: Settings, options: WorkerOptions) -> None:
    """End the process from inside its loop: some of Faust's tasks outlive their cancellation."""
    try:
        code, reason = await _main(settings, options)
    except SettingsError as error:
        code, reason = EXIT_USAGE, str(error)
    except Exception as error:
        code, reason = EXIT_FAILED, _line(error)
    # Behind what stopping may log: who looks at the end of the log finds why.
    if reason is not None:
        _say(code, reason)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _main(settings: Settings, options: WorkerOptions) -> tuple[int, str | None]:
    """Run the processors; return the exit code, and why. Handles SIGINT and SIGTERM."""
    metrics = Metrics()
    chosen = Options(options.tuning, options.archive, options.seal, options.silence_seconds)
    processors = [FACTORIES[name](settings, metrics, chosen) for name in options.names]
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_stop.set)
    server = StatusServer(metrics, lambda: _unhealthy(processors))
    port = await server.start(options.host, options.metrics_port)
    _ready(options.names, port)
    try:
        return await _supervise(processors, metrics, options, told_to_stop)
    finally:
        with contextlib.suppress(asyncio.TimeoutError, Exception):
            await asyncio.wait_for(_stop(processors, server), STOP_SECONDS)
        for processor in processors:
            remove_directory(processor.app)


async def _supervise(
    processors: list[Processor],
    metrics: Metrics,
    options: WorkerOptions,
    told_to_stop: asyncio.Event,
) -> tuple[int, str | None]:
    starts = [asyncio.ensure_future(processor.app.start()) for processor in processors]
    stopping = asyncio.ensure_future(told_to_stop.wait())
    watchdogs: list[asyncio.Future[str]] = []
    try:
        while True:
            if stopping.done():
                return 0, None
            for processor, start in zip(processors, starts, strict=True):
                reason = _over(processor, start)
                if reason is not None:
                    return EXIT_FAILED, f"{processor.name} stops: {reason}"
            if not watchdogs and all(start.done() for start in starts):
                watchdogs = [_watch(processor, metrics, options) for processor in processors]
            for watchdog in watchdogs:
                if watchdog.done():
                    return EXIT_STALLED, watchdog.result()
            await asyncio.wait([stopping], timeout=POLL_SECONDS)
    finally:
        tasks: list[asyncio.Future[Any]] = [*starts, *watchdogs, stopping]
        for task in tasks:
            task.cancel()


def _watch(processor: Processor, metrics: Metrics, options: WorkerOptions) -> asyncio.Future[str]:
    watchdog = Watchdog(
        processor, metrics, patience=options.stall_seconds, interval=options.watch_interval
    )
    return asyncio.ensure_future(watchdog.run())


def _over(processor: Processor, start: asyncio.Future[None]) -> str | None:
    if processor.failed.done():
        return _line(processor.failed.result())
    if start.done() and not start.cancelled() and start.exception() is not None:
        return _line(start.exception())
    if processor.app.crashed:
        return _line(processor.app.crash_reason)
    return None


def _line(error: BaseException | None) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, HeadraceError) else f"{type(error).__name__}: {text}"


async def _stop(processors: list[Processor], server: StatusServer) -> None:
    for processor in processors:
        await processor.app.stop()
        await processor.close()
    await server.stop()


def _unhealthy(processors: list[Processor]) -> str | None:
    for processor in processors:
        if not joined(processor.app):
            return f"{processor.name} has not joined its group{_why(processor)}"
        if processor.waiting_for_sink:
            return f"{processor.name} waits for its sink{_why(processor)}"
    return None


def _why(processor: Processor) -> str:
    why = processor.waits_for if isinstance(processor, Explaining) else None
    return f": {' '.join(why.split())}" if why else ""


def _ready(names: tuple[str, ...], port: int) -> None:
    line = orjson.dumps({"worker": ",".join(names), "metrics_port": port}).decode()
    print(line, flush=True)  # noqa: T201 - the contract with whoever started this process


def _say(code: int, reason: str) -> int:
    print(f"headrace worker: {reason}", file=sys.stderr, flush=True)  # noqa: T201
    return code


def _parse(argv: Sequence[str] | None) -> WorkerOptions:
    parser = argparse.ArgumentParser(
        prog="headrace worker",
        description="Run stream processors until SIGINT or SIGTERM.",
        epilog="example: headrace worker archive --metrics-port 9464",
    )
    limits = DeadLetterLimits()
    tuning = Tuning()
    parser.add_argument("names", nargs="+", choices=sorted(FACTORIES), metavar="NAME")
    parser.add_argument("--host", default="127.0.0.1", help="address of /metrics and /healthz")
    parser.add_argument("--metrics-port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--session-timeout",
        type=float,
        default=tuning.session_timeout_ms / 1000.0,
        help="seconds until a killed worker's partitions move on (low only for a local broker)",
    )
    parser.add_argument(
        "--max-dead-ratio",
        type=float,
        default=limits.max_ratio,
        help="stop when a larger part of the last records was refused (1: never)",
    )
    parser.add_argument(
        "--max-dead-consecutive",
        type=int,
        default=limits.max_consecutive,
        help="stop when more records in a row were refused",
    )
    parser.add_argument(
        "--stall-seconds",
        type=float,
        default=180.0,
        help="exit with 75 when a partition has lag, the sink works and nothing moves for so long",
    )
    sealing = Limits()
    parser.add_argument(
        "--seal-leaves",
        type=int,
        default=sealing.leaves,
        help="seal evidence at the latest when so many entries wait (at most 65536)",
    )
    parser.add_argument(
        "--seal-seconds",
        type=float,
        default=sealing.seconds,
        help="or when the first of them has waited for so long",
    )
    parser.add_argument(
        "--silence-seconds",
        type=float,
        default=3600.0,
        help="traces: close what is under way in a session that was silent for so long",
    )
    given = parser.parse_args(argv)
    return WorkerOptions(
        names=tuple(given.names),
        host=given.host,
        metrics_port=given.metrics_port,
        tuning=Tuning(session_timeout_ms=int(given.session_timeout * 1000)),
        archive=ArchiveOptions(
            limits=DeadLetterLimits(
                max_consecutive=given.max_dead_consecutive, max_ratio=given.max_dead_ratio
            )
        ),
        seal=Limits(leaves=given.seal_leaves, seconds=given.seal_seconds),
        silence_seconds=given.silence_seconds,
        stall_seconds=given.stall_seconds,
        watch_interval=min(5.0, given.stall_seconds / 4),
    )


if __name__ == "__main__":
    main()
