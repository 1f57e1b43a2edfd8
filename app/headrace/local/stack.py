"""The whole local stack: embedded Kafka, ClickHouse and the workers, in one place."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, final, overload
from urllib.parse import quote

from prometheus_client import CollectorRegistry

from headrace.events import topics
from headrace.events.errors import HeadraceError
from headrace.events.settings import (
    AuditSettings,
    ClickHouseSettings,
    KafkaSettings,
    OtlpSettings,
    Settings,
)
from headrace.local.background import BackgroundLoop
from headrace.local.clickhouse.auth import Credentials
from headrace.local.endpoint import Endpoint, Page
from headrace.local.kept_topics import KeptTopics
from headrace.local.metrics import lag, merge
from headrace.local.minder import Minder, Patience
from headrace.local.parts import ClickHousePart, KafkaPart, ShipperPart, WorkerPart
from headrace.local.state_dir import StateDir, write_private
from headrace.local.supervisor import Supervisor
from headrace.producers.lanes import undelivered_bytes
from headrace.sinks import schema
from headrace.sinks.audit.keys import ensure_local
from headrace.streams import retention, topic_admin

AUDIT: Final = "audit"
OTLP: Final = "otlp"
WORKERS: Final = ("archive", "metrics", "alerts", "notify", AUDIT, "seal", "traces")
"""The stream processors of the stack; otlp as well, where there is a receiver."""

KEPT: Final = (
    topics.ALERTS,
    topics.ALERTS_STATE,
    topics.SILENCES,
    topics.DELIVERIES,
    topics.ERASURES,
)
"""Topics that outlive the embedded Kafka: few records, and nothing sends them again."""


@final
class LocalStack:
    """``with LocalStack(directory) as stack:`` or ``async with``: everything runs inside.

    ``settings`` gives the topic prefix, partitions and so on; where Kafka and ClickHouse are is
    the stack's own. Entering raises :class:`HeadraceError` (one line): the directory is another
    stack's, or a part does not start. Leaving stops every process. ``settings``, ``writer``,
    ``status()``, ``pid()`` and ``signal()`` are safe from any thread.
    """

    def __init__(
        self,
        state_dir: Path | str,
        *,
        settings: Settings | None = None,
        workers: Sequence[str] = WORKERS,
        say: Callable[[str], None] = lambda _: None,
        page: Page | None = None,
        evidence: Callable[[Settings], str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._dir = StateDir(Path(state_dir))
        self._base = settings or Settings(state_dir=self._dir.path)
        self._worker_names = (*workers, *([OTLP] if self._base.otlp else []))
        self._say = say
        self._page = page
        self._evidence = evidence
        self._patience = patience or Patience()
        self._supervisor: Supervisor | None = None
        self._endpoint: Endpoint | None = None
        self._loop: BackgroundLoop | None = None
        self._kept = KeptTopics(
            self._dir.kept_topics,
            [self._base.topic(name) for name in KEPT],
            self._base.max_event_bytes + 131_072,
        )
        self.settings = self._base
        """What readers need: Kafka, and ClickHouse as the reader."""
        self.writer = self._base
        """The same with ClickHouse's writer, as the workers have it."""

    async def start(self) -> None:
        """Start everything; ``stack.json`` is there when this returns."""
        self._dir.acquire()
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Take ``stack.json`` away, stop workers, ClickHouse and Kafka. Safe to call twice."""
        self._dir.withdraw()
        if self._endpoint is not None:
            await self._endpoint.stop()
        if self._supervisor is not None:
            await self._supervisor.stop()
        self._dir.release()

    def status(self) -> dict[str, Any]:
        """Return the state of each part, as ``/status.json`` shows it."""
        return self._running().status()

    def pid(self, part: str) -> int | None:
        """Return the process id of ``kafka``, ``clickhouse`` or a worker; None while it is down."""
        pid: int | None = self._minder(part).status()["pid"]
        return pid

    def signal(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a part a signal, as a test of what then happens. It is restarted when it ends."""
        pid = self.pid(part)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def take_away(self, part: str) -> None:
        """Kill a part and keep it down until :meth:`bring_back`."""
        self._minder(part).hold("was taken away")

    async def bring_back(self, part: str) -> None:
        self._minder(part).release()

    async def __aenter__(self) -> LocalStack:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def __enter__(self) -> LocalStack:
        self._loop = BackgroundLoop("headrace local stack")
        try:
            self._loop.run(self.start())
        except BaseException:
            self._loop.run(self.stop())
            self._loop.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is not None:
            self._loop.run(self.stop())
            self._loop.close()

    async def _start(self) -> None:
        ports, passwords = self._dir.last_ports(), self._dir.credentials()
        kafka = KafkaPart(self._dir, ports.get("kafka", 0))
        clickhouse = ClickHousePart(self._dir, ports.get("clickhouse", 0), self._environ())

        def settings(user: str) -> Settings:
            url = f"http://{user}:{passwords[user]}@{clickhouse.address}/headrace"
            return replace(
                self._base,
                state_dir=self._dir.path,
                kafka=KafkaSettings(kafka.address),
                clickhouse=ClickHouseSettings(url),
            )

        self.settings, self.writer = settings("reader"), settings("writer")

        def env(part: str) -> dict[str, str]:
            return self._environ() | variables_of(self.writer, part)

        self._supervisor = Supervisor(
            self._dir,
            kafka,
            clickhouse,
            [
                ShipperPart(self._dir, env("shipper"), self._dir.kafka_addresses(kafka.address)),
                *(WorkerPart(name, self._dir, env(name)) for name in self._worker_names),
            ],
            apply_topics=self._apply_topics,
            apply_schema=self._apply_schema,
            before_kafka_stops=self._kept.end,
            say=self._say,
            patience=self._patience,
        )
        await asyncio.to_thread(ensure_local, self.writer)
        await self._supervisor.start()
        show = self._evidence
        self._endpoint = Endpoint(
            status=self._status_now,
            metrics=self._metrics_now,
            page=self._page,
            evidence=None if show is None else lambda: show(self.settings),
            credentials=Credentials(passwords),
        )
        port = await self._endpoint.start(ports.get("http", 0))
        metrics, console = f"http://127.0.0.1:{port}/metrics", f"http://127.0.0.1:{port}/"
        self.settings = replace(self.settings, metrics_url=metrics, console_url=console)
        self.writer = replace(self.writer, metrics_url=metrics, console_url=console)
        self._dir.keep_ports({**_ports(kafka, clickhouse), "http": port})
        files = {"scrub": self.settings.scrub, "retention": self.settings.retention}
        write_private(
            self._dir.stack_file,
            {
                "kafka": kafka.address,
                "clickhouse": self.settings.need_clickhouse().url,
                "metrics": metrics,
                "console": console,
                **{name: str(path.absolute()) for name, path in files.items() if path},
            },
        )

    def _environ(self) -> dict[str, str]:
        """Our environment without headrace's variables: a part takes none by accident."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HEADRACE_")}
        return inherited | {"TMPDIR": str(self._dir.temporary)}

    async def _apply_topics(self) -> None:
        await topic_admin.apply(self.writer)
        await self._kept.begin(self.writer.need_kafka())

    async def _apply_schema(self) -> None:
        clickhouse = self.writer.need_clickhouse()
        await asyncio.to_thread(schema.apply, clickhouse)
        await asyncio.to_thread(retention.apply, clickhouse, retention.load(self.writer.retention))

    async def _status_now(self) -> dict[str, Any]:
        return self.status() | {"lag": lag(await self._worker_metrics())}

    async def _metrics_now(self) -> CollectorRegistry:
        texts = await self._worker_metrics()
        waiting = await asyncio.to_thread(undelivered_bytes, self.writer.spool)
        return merge(texts, self.status()["parts"], waiting)

    async def _worker_metrics(self) -> dict[str, str]:
        parts = self._running().worker_parts
        texts = await asyncio.gather(*(part.metrics() for part in parts))
        return {part.name: text for part, text in zip(parts, texts, strict=True)}

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise HeadraceError("the local stack has not been started")
        return self._supervisor

    def _minder(self, part: str) -> Minder:
        return self._running().minders[part]


def run(
    settings: Settings,
    *,
    page: Page | None = None,
    evidence: Callable[[Settings], str] | None = None,
) -> int:
    """Run the stack of ``settings.state_dir`` until SIGINT, SIGTERM or SIGHUP; exit code 0 then.

    Raises :class:`HeadraceError` where it cannot be started.
    """
    return asyncio.run(_run(settings, page, evidence))


async def _run(
    settings: Settings, page: Page | None, evidence: Callable[[Settings], str] | None
) -> int:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    stack = LocalStack(
        settings.state_dir, settings=settings, say=_print, page=page, evidence=evidence
    )
    _print(f"starting the local stack in {settings.state_dir}")
    starting = asyncio.create_task(stack.start())
    waiting = asyncio.create_task(stopped.wait())
    try:
        await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            _print(f"ready: {stack.settings.console_url} (Ctrl-C stops it)")
            await waiting
        _print("stopping")
    finally:
        starting.cancel()
        waiting.cancel()
        await asyncio.wait({starting, waiting})
        await stack.stop()
    _print("stopped")
    return 0


def _print(text: str) -> None:
    # A terminal that went away must not take the stack's orderly stop with it.
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(f"headrace: {text}\n")
        sys.stderr.flush()


def _ports(*parts: KafkaPart | ClickHousePart) -> dict[str, int]:
    return {part.name: int(part.address.rpartition(":")[2]) for part in parts}


def variables_of(settings: Settings, part: str = "") -> dict[str, str]:
    """Return the variables by which a part of this stack is set up: the same as in production."""
    environ = {
        "HEADRACE_STATE_DIR": str(settings.state_dir),
        "HEADRACE_KAFKA": settings.need_kafka().bootstrap_servers,
        "HEADRACE_CLICKHOUSE_URL": settings.need_clickhouse().url,
        "HEADRACE_TOPIC_PREFIX": settings.topic_prefix,
        "HEADRACE_PARTITIONS": str(settings.partitions),
        "HEADRACE_RETENTION_DAYS": str(settings.retention_days),
        "HEADRACE_MAX_EVENT_BYTES": str(settings.max_event_bytes),
    }
    if settings.replication is not None:
        environ["HEADRACE_REPLICATION"] = str(settings.replication)
    # Absolute: a part runs in a directory of its own.
    if settings.alert_rules is not None:
        environ["HEADRACE_ALERT_RULES"] = str(settings.alert_rules.absolute())
    if settings.prices is not None:
        environ["HEADRACE_PRICES"] = str(settings.prices.absolute())
    if settings.scrub is not None:
        environ["HEADRACE_SCRUB"] = str(settings.scrub.absolute())
    if settings.trace_content:
        environ["HEADRACE_TRACE_CONTENT"] = "1"
    if settings.external_url:
        environ["HEADRACE_EXTERNAL_URL"] = settings.external_url
    if settings.audit.master_key is not None and part == AUDIT:
        # It opens all evidence: the others do not have it.
        environ["HEADRACE_AUDIT_MASTER_KEY"] = settings.audit.master_key
    if settings.otlp is not None and part == OTLP:
        environ |= _otlp_variables(settings.otlp)
    return environ | _audit_variables(settings.audit)


def _otlp_variables(otlp: OtlpSettings) -> dict[str, str]:
    environ = {
        "HEADRACE_OTLP_ENDPOINT": otlp.endpoint,
        "HEADRACE_OTLP_PROTOCOL": otlp.protocol,
        "HEADRACE_OTLP_HEADERS": ",".join(
            f"{name}={quote(value, safe='')}" for name, value in otlp.headers
        ),
    }
    if otlp.certificate is not None:
        environ["HEADRACE_OTLP_CERTIFICATE"] = str(otlp.certificate.absolute())
    return environ


def _audit_variables(audit: AuditSettings) -> dict[str, str]:
    given: dict[str, str | Path | None] = {
        "POLICY": audit.policy,
        "TOPIC_PER_CLASS": "1" if audit.topic_per_class else None,
        "VAULT": _place(audit.vault),
        "KEYS": _place(audit.keys),
        "SIGNING_KEYS": audit.signing_keys,
        "MASTER_KEY_FILE": audit.master_key_file,
        "KMS_KEY": audit.kms_key,
        "WITNESSES": ",".join(map(_place, audit.witnesses)) or None,
    }
    return {
        f"HEADRACE_AUDIT_{name}": str(value.absolute() if isinstance(value, Path) else value)
        for name, value in given.items()
        if value is not None
    }


@overload
def _place(where: str) -> str: ...
@overload
def _place(where: str | None) -> str | None: ...
def _place(where: str | None) -> str | None:
    """Make a directory absolute; leave ``s3://`` and ``https://`` alone."""
    return where if where is None or "://" in where else str(Path(where).absolute())
