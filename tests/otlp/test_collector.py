"""A receiver that nobody here wrote: the OpenTelemetry Collector, built from its Go modules."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from headrace.events.settings import ClickHouseSettings
from headrace.local.ports import free_port
from headrace.testing import InMemoryProducer
from tests.otlp.arrived import expected, from_json
from tests.otlp.collector_build import collector
from tests.otlp.rig import OtlpRig, once
from tests.otlp.spans import span, trace
from tests.support import wait_until

pytestmark = pytest.mark.collector

CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: "127.0.0.1:{grpc}"}}
      http: {{endpoint: "127.0.0.1:{http}"}}
exporters:
  file: {{path: "{out}", append: true, flush_interval: 50ms}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: warn}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file]}}
"""


@dataclass
class Collector:
    program: Path
    directory: Path
    grpc: int
    http: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def out(self) -> Path:
        return self.directory / "spans.jsonl"

    def endpoint(self, protocol: str) -> str:
        return f"http://localhost:{self.grpc if protocol == 'grpc' else self.http}"

    async def start(self) -> None:
        config = self.directory / "collector.yaml"
        config.write_text(CONFIG.format(grpc=self.grpc, http=self.http, out=self.out))
        with (self.directory / "collector.log").open("ab") as log:
            command = [str(self.program), "--config", f"file:{config}"]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        await wait_until(self._up, 60, what="listens")

    def _up(self) -> bool:
        assert self.process is not None
        said = (self.directory / "collector.log").read_text()
        assert self.process.poll() is None, said
        return _listens(self.grpc) and _listens(self.http)

    def end(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(30)

    def spans(self) -> list[dict[str, Any]]:
        """What it has written: the last line may still be under way."""
        lines = self.out.read_bytes().split(b"\n")[:-1] if self.out.exists() else []
        return [one for line in lines for one in from_json(line)]

    def ids(self) -> Counter[str]:
        return Counter(one["span"] for one in self.spans())

    async def got(self, *rows: dict[str, Any]) -> None:
        wanted = {row["SpanId"] for row in rows}
        await wait_until(lambda: wanted <= set(self.ids()), 60, interval=0.2, what="spans arrive")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Collector]:
    made = Collector(collector(), tmp_path, free_port(0), free_port(0))
    try:
        await made.start()
        yield made
    finally:
        made.end(signal.SIGKILL)


@pytest.fixture
async def rig(kafka: str, clickhouse: ClickHouseSettings, tmp_path: Path) -> AsyncIterator[OtlpRig]:
    rig = OtlpRig(kafka, clickhouse, tmp_path, 3.0)
    await rig.prepare()
    yield rig
    await rig.close()


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
async def test_spans_reach_the_collector_whatever_becomes_of_it(
    rig: OtlpRig, receiver: Collector, protocol: str
) -> None:
    worker = await rig.begin(receiver.endpoint(protocol), protocol)
    rows = [one for _ in range(50) for one in trace(rig.tenant, 3)]
    await rig.write(*rows)
    await receiver.got(*rows)
    there = {one["span"]: one for one in receiver.spans()}
    assert there == {row["SpanId"]: expected(row) for row in rows}
    await rig.all_committed(200)

    # Killed, and back after a while: what was written in between arrives then.
    receiver.end(signal.SIGKILL)
    missed = [span(rig.tenant) for _ in range(700)]
    await rig.write(*missed)

    async def tried() -> bool:
        return await worker.metric("headrace_otlp_retries_total") >= 2

    await wait_until(tried, 60, what="tried")
    assert worker.process.poll() is None
    await receiver.start()
    await receiver.got(*missed)

    # Told to end while it takes them, some requests may be broken off after they were taken.
    streamed = [span(rig.tenant) for _ in range(6000)]
    writing = asyncio.create_task(rig.write(*streamed))
    await wait_until(
        lambda: set(once(streamed)) & set(receiver.ids()), 60, what="the first of them"
    )
    receiver.end(signal.SIGTERM)
    await receiver.start()
    await writing
    await receiver.got(*streamed)
    await rig.all_committed(6900)
    ids = receiver.ids()
    assert set(ids) == set(once([*rows, *missed, *streamed]))
    doubles = sum(count - 1 for count in ids.values())
    print(f"{doubles} of {len(ids)} spans came twice by {protocol}")
    assert doubles <= 512  # the request in flight
    assert await worker.metric("headrace_otlp_dead_letters_total") == 0


class ToCollector(SpanExporter):  # type: ignore[misc]
    """The SDK's spans to the Collector, with the application's own resource."""

    def __init__(self, collector: Collector) -> None:
        self._url = collector.endpoint("http") + "/v1/traces"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        request = ExportTraceServiceRequest()
        for one in spans:
            context, parent = one.get_span_context(), one.parent
            assert context is not None
            resource = request.resource_spans.add()
            resource.resource.attributes.add(key="service.name").value.string_value = "shop"
            resource.scope_spans.add().spans.add(
                trace_id=context.trace_id.to_bytes(16, "big"),
                span_id=context.span_id.to_bytes(8, "big"),
                parent_span_id=parent.span_id.to_bytes(8, "big") if parent else b"",
                name=one.name,
                start_time_unix_nano=one.start_time,
                end_time_unix_nano=one.end_time,
            )
        headers = {"Content-Type": "application/x-protobuf"}
        asked = urllib.request.Request(self._url, request.SerializeToString(), headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            assert answer.status == 200
        return SpanExportResult.SUCCESS


@pytest.fixture
def tracer(receiver: Collector) -> Iterator[Any]:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(ToCollector(receiver)))
    yield provider.get_tracer("shop")
    provider.shutdown()


async def test_the_applications_spans_and_ours_stand_in_one_trace(
    rig: OtlpRig, receiver: Collector, tracer: Any
) -> None:
    await rig.begin(receiver.endpoint("grpc"), "grpc")
    with InMemoryProducer(tenant=rig.tenant) as producer:
        hook: Callable[[Any], None] = producer.hook("s-1")
        with tracer.start_as_current_span("POST /chat"), tracer.start_as_current_span("user_chat"):
            await asyncio.to_thread(hook, SimpleNamespace(type="turn_begin", data={}))
            await asyncio.to_thread(hook, SimpleNamespace(type="tool_start", data={}))
        begun, _ = producer.events("turn_begin", "tool_start")
    # As the worker traces makes them of these events.
    _, trace_id, caller, _ = str(begun.trace).split("-")
    root = span(rig.tenant, SpanName="invoke_agent", TraceId=trace_id, ParentSpanId=caller)
    tool = span(rig.tenant, TraceId=trace_id, ParentSpanId=root["SpanId"])
    await rig.write(tool, root)
    await receiver.got(root, tool)
    there = {one["name"]: one for one in receiver.spans()}
    assert {one["trace"] for one in there.values()} == {trace_id}
    chain = ["execute_tool get_orders", "invoke_agent", "user_chat", "POST /chat"]
    for child, parent in pairwise(chain):
        assert there[child]["parent"] == there[parent]["span"]
    assert there["POST /chat"]["parent"] == ""
    assert there["user_chat"]["resource"] == {"service.name": "shop"}
