"""What a receiver's answers mean, by either protocol; TLS; and that secrets stay secret."""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from aiohttp import web
from google.protobuf import any_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from headrace.events.errors import Poison, SettingsError
from headrace.events.settings import load
from headrace.local.ports import free_port
from headrace.sinks.otlp import exporter as exporters
from headrace.sinks.otlp.exporter import Away, Taken, open_exporter
from headrace.sinks.otlp.retry_info import _RetryInfo, _Status, delay_of
from headrace.sinks.otlp.row import row_of
from tests.otlp.arrived import expected
from tests.otlp.receiver import Receiver, running
from tests.otlp.spans import span, value

PROTOCOLS = ["http/protobuf", "grpc"]
ROW = span("t")
ROWS = [row_of(value(ROW))]
Code = grpc.StatusCode


@pytest.fixture(params=PROTOCOLS)
async def receiver(request: pytest.FixtureRequest) -> AsyncIterator[Receiver]:
    async with running(request.param) as receiver:
        yield receiver


async def export(receiver: Receiver, **changes: Any) -> Taken:
    exporter = open_exporter(replace(receiver.settings, **changes))
    try:
        return await exporter.export(ROWS)
    finally:
        await exporter.close()


async def test_a_span_arrives_with_the_headers_that_were_given(receiver: Receiver) -> None:
    taken = await export(receiver, headers=(("Authorization", "Bearer s3cret"), ("x-team", "a b")))
    assert taken == Taken()
    assert receiver.spans == [expected(ROW)]
    headers = {name.lower(): text for name, text in receiver.headers[0].items()}
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["x-team"] == "a b"


async def test_a_connection_is_used_again(receiver: Receiver) -> None:
    exporter = open_exporter(receiver.settings)
    for _ in range(3):
        await exporter.export(ROWS)
    await exporter.close()
    await exporter.close()
    assert len(receiver.requests) == 3


async def test_what_it_takes_in_part_is_told(receiver: Receiver) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 3
    answer.partial_success.error_message = "too old"
    receiver.answers.append(answer)
    assert await export(receiver) == Taken(3, "too old")


async def test_a_refusal_is_poison(receiver: Receiver) -> None:
    receiver.refuses = lambda _: True
    with pytest.raises(Poison):
        await export(receiver)


async def test_one_that_is_not_there_is_away() -> None:
    for protocol in PROTOCOLS:
        gone = Receiver(protocol, free_port(0))
        with pytest.raises(Away) as raised:
            await export(gone)
        assert raised.value.label in {"none", "UNAVAILABLE"}


async def test_one_that_hangs_is_away(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("over_http", "over_grpc"):
        monkeypatch.setattr(f"headrace.sinks.otlp.{module}.TOTAL_SECONDS", 0.3)
    receiver.answers.append("hang")
    with pytest.raises(Away):
        await export(receiver)


@pytest.mark.parametrize(
    ("response", "label", "after"),
    [
        (lambda: web.Response(status=503), "503", 0),
        (lambda: web.Response(status=429, headers={"Retry-After": "7"}), "429", 7),
        (lambda: web.Response(status=502), "502", 0),
        (lambda: web.Response(status=504, headers={"Retry-After": "no"}), "504", 0),
        (lambda: web.Response(status=401), "401", 0),
        (lambda: web.Response(status=404), "404", 0),
        (lambda: web.Response(status=500), "500", 0),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9"}), "302", 0),
    ],
)
async def test_by_http_what_blames_no_span_is_away(response: Any, label: str, after: float) -> None:
    async with running("http/protobuf") as receiver:
        receiver.answers.append(response())
        with pytest.raises(Away) as raised:
            await export(receiver)
        assert (raised.value.label, raised.value.after) == (label, after)
        assert not receiver.requests


@pytest.mark.parametrize("status", [400, 413, 422])
async def test_by_http_what_blames_the_request_is_poison(status: int) -> None:
    async with running("http/protobuf") as receiver:
        receiver.answers.append(web.Response(status=status, text="said the receiver"))
        with pytest.raises(Poison, match=str(status)) as raised:
            await export(receiver)
        assert "said" not in str(raised.value)


async def test_by_http_a_success_may_say_anything() -> None:
    async with running("http/protobuf") as receiver:
        receiver.answers += [web.Response(text="{}"), web.Response(body=b"\xff" * 500_000)]
        assert await export(receiver) == await export(receiver) == Taken()


def retry_in(seconds: float) -> tuple[tuple[str, bytes], ...]:
    """As a server says it: by the messages that its authors made."""
    retry = _RetryInfo()
    retry.retry_delay.FromNanoseconds(int(seconds * 1e9))
    status = _Status()
    status.details.add(type_url="type.googleapis.com/google.rpc.Help", value=b"x")
    status.details.add(
        type_url="type.googleapis.com/google.rpc.RetryInfo",
        value=retry.SerializeToString(),
    )
    return (("grpc-status-details-bin", status.SerializeToString()),)


@pytest.mark.parametrize(
    ("code", "trailing", "after"),
    [
        (Code.UNAVAILABLE, (), 0),
        (Code.UNAVAILABLE, retry_in(1.5), 1.5),
        (Code.RESOURCE_EXHAUSTED, retry_in(2), 2),
        (Code.RESOURCE_EXHAUSTED, (), 0),
        (Code.UNAUTHENTICATED, (), 0),
        (Code.UNIMPLEMENTED, (), 0),
        (Code.INTERNAL, (), 0),
    ],
)
async def test_by_grpc_what_blames_no_span_is_away(code: Any, trailing: Any, after: float) -> None:
    async with running("grpc") as receiver:
        receiver.answers.append((code, "said the receiver", trailing))
        with pytest.raises(Away) as raised:
            await export(receiver)
        assert (raised.value.label, raised.value.after) == (code.name, after)
        assert "said" not in str(raised.value)


@pytest.mark.parametrize(
    "answer",
    [
        (Code.INVALID_ARGUMENT, "", ()),
        (Code.RESOURCE_EXHAUSTED, "grpc: received message larger than max (5 vs. 4)", ()),
    ],
)
async def test_by_grpc_what_blames_the_request_is_poison(answer: Any) -> None:
    async with running("grpc") as receiver:
        receiver.answers.append(answer)
        with pytest.raises(Poison, match=answer[0].name):
            await export(receiver)


@pytest.mark.parametrize("details", [b"\xff\xff", b"", "text"])
def test_details_that_are_none_ask_for_nothing(details: Any) -> None:
    assert delay_of((("grpc-status-details-bin", details),)) == 0.0


def test_a_delay_is_read_out_of_the_bytes_of_the_wire() -> None:
    # google.rpc.Status { code: 8, details: [RetryInfo { retry_delay: 3 s, 500 ms }] }, by hand.
    duration = b"\x08\x03\x10\x80\xca\xb5\xee\x01"
    info = b"\x0a" + bytes([len(duration)]) + duration
    packed = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=info)
    inner = packed.SerializeToString()
    wire = b"\x08\x08\x1a" + bytes([len(inner)]) + inner
    assert delay_of((("grpc-status-details-bin", wire),)) == 3.5


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_tls_trusts_the_given_authority_and_no_other(
    protocol: str, authority: trustme.CA, tmp_path: Path
) -> None:
    issued = authority.issue_cert("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issued.configure_cert(context)
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    ours, others = tmp_path / "ours.pem", tmp_path / "others.pem"
    authority.cert_pem.write_to_path(ours)
    trustme.CA().cert_pem.write_to_path(others)
    tls = (issued.private_key_pem.bytes(), chain, context)
    async with running(protocol, tls=tls) as receiver:
        assert await export(receiver, certificate=ours) == Taken()
        for wrong in (others, None):
            with pytest.raises(Away):
                await export(receiver, certificate=wrong)
        assert receiver.spans == [expected(ROW)]


def test_a_certificate_that_is_none_is_told_at_once(tmp_path: Path) -> None:
    wrong = tmp_path / "none.pem"
    wrong.write_text("s3cret")
    for protocol in PROTOCOLS:
        settings = load(
            {"HEADRACE_OTLP_ENDPOINT": "https://localhost:4317", "HEADRACE_OTLP_PROTOCOL": protocol,
             "HEADRACE_OTLP_CERTIFICATE": str(wrong), "HEADRACE_STATE_DIR": str(tmp_path)}
        )  # fmt: skip
        with pytest.raises(SettingsError, match="HEADRACE_OTLP_CERTIFICATE") as raised:
            open_exporter(settings.need_otlp())
        assert "s3cret" not in str(raised.value)


# Settings.


def otlp(tmp_path: Path, **given: str) -> Any:
    variables = {f"HEADRACE_OTLP_{name.upper()}": text for name, text in given.items()}
    return load({"HEADRACE_STATE_DIR": str(tmp_path), **variables})


def test_settings_mean_what_opentelemetrys_own_mean(tmp_path: Path) -> None:
    assert otlp(tmp_path).otlp is None
    with pytest.raises(SettingsError, match="HEADRACE_OTLP_ENDPOINT"):
        otlp(tmp_path).need_otlp()
    headers = "authorization=Bearer%20a%3Db%2C, x-team = one ,"
    found = otlp(tmp_path, endpoint="https://in.example.org/otlp/", headers=headers).need_otlp()
    assert found.protocol == "http/protobuf"
    assert found.headers == (("authorization", "Bearer a=b,"), ("x-team", "one"))
    secret = tmp_path / "headers"
    secret.write_text("api-key=s3cret\n")
    found = otlp(tmp_path, endpoint="http://h:4317", protocol="grpc", headers_file=str(secret))
    assert found.otlp.headers == (("api-key", "s3cret"),)
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "localhost:4317"},
        {"endpoint": "ftp://localhost"},
        {"endpoint": "https://"},
        {"endpoint": "https://[::1"},
        {"endpoint": "https://user:s3cret@host"},
        {"endpoint": "https://host/?key=s3cret"},
        {"endpoint": "https://h", "protocol": "http/json"},
        {"endpoint": "https://h", "headers": "s3cret"},
        {"endpoint": "https://h", "headers": "a=1,b c=s3cret"},
        {"endpoint": "https://h", "headers": "a=s3cret%0d%0aHost: x"},
    ],
)
def test_settings_that_are_wrong_are_named_and_not_quoted(
    tmp_path: Path, given: dict[str, str]
) -> None:
    with pytest.raises(SettingsError, match="HEADRACE_OTLP_") as raised:
        otlp(tmp_path, **given)
    assert "s3cret" not in str(raised.value)


async def test_no_log_has_a_header(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        await export(receiver, headers=(("authorization", "s3cret"),))
    assert "s3cret" not in caplog.text


async def test_a_path_of_the_endpoint_stays_before_that_of_the_signal() -> None:
    async with running("http/protobuf") as receiver:
        settings = replace(receiver.settings, endpoint=receiver.endpoint + "/")
        exporter = open_exporter(settings)
        assert await exporter.export(ROWS) == Taken()
        await exporter.close()
        with pytest.raises(Away, match="404"):
            await export(receiver, endpoint=receiver.endpoint + "/other")


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headrace.sinks.otlp._there", lambda name: name != "grpc")
    with pytest.raises(SettingsError, match=r'pip install "headrace\[otlp\]"'):
        exporters.open_exporter(Receiver("grpc", 1).settings)
