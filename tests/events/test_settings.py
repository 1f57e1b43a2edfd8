"""The settings: what each variable does, and that what is wrong is told without a secret."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest

from headrace.events.errors import SettingsError
from headrace.events.settings import ClickHouseSettings, KafkaSettings, Settings, load
from headrace.sinks.connection import connect

URL = "http://writer@ch:8124/archive"


def settings(tmp_path: Path, **environ: str) -> Settings:
    named = {f"HEADRACE_{name}": value for name, value in environ.items()}
    return load(named, state_dir=tmp_path / "state")


def written(tmp_path: Path, content: str) -> str:
    path = tmp_path / "secret"
    path.write_text(content)
    return str(path)


def connected(clickhouse: ClickHouseSettings) -> tuple[Any, ...]:
    """What the client is told."""
    with mock.patch("clickhouse_connect.get_client") as client:
        connect(clickhouse)
    told = client.call_args.kwargs
    return tuple(told[n] for n in ("secure", "host", "port", "username", "password", "database"))


@pytest.mark.parametrize("password", ["plain", "pa/ss", "a:b@c?d#e", "100%41", "π", " blank "])
def test_a_password_from_a_file_may_hold_anything(tmp_path: Path, password: str) -> None:
    file = written(tmp_path, password + "\n")
    found = settings(tmp_path, CLICKHOUSE_URL=URL, CLICKHOUSE_PASSWORD_FILE=file).need_clickhouse()
    assert connected(found) == (False, "ch", 8124, "writer", password, "archive")


def test_a_password_from_a_file_wins_over_the_urls(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        CLICKHOUSE_URL="https://writer:old@ch:8443/archive",
        CLICKHOUSE_PASSWORD_FILE=written(tmp_path, "new"),
    ).need_clickhouse()
    assert connected(found) == (True, "ch", 8443, "writer", "new", "archive")


@pytest.mark.parametrize("password", ["xyzzy/plugh", "xyzzy?plugh", "xyzzy#plugh", "99/plugh"])
def test_a_url_that_cannot_be_read_is_told_without_its_password(
    tmp_path: Path, password: str
) -> None:
    for name in ("CLICKHOUSE_URL", "AUDIT_CLICKHOUSE_URL"):
        with pytest.raises(SettingsError, match=f"HEADRACE_{name} cannot be read") as caught:
            settings(tmp_path, **{name: f"http://w:{password}@ch:8123/x"})
        assert not re.search("xyzzy|plugh", "".join(traceback.format_exception(caught.value)))


def test_kafka_security_is_read(tmp_path: Path) -> None:
    kafka = settings(
        tmp_path,
        KAFKA="a:1,b:2",
        KAFKA_SECURITY_PROTOCOL="sasl_ssl",
        KAFKA_SASL_MECHANISM="scram-sha-512",
        KAFKA_SASL_USERNAME="me",
        KAFKA_SASL_PASSWORD_FILE=written(tmp_path, "s3cret\n"),
        KAFKA_SSL_CAFILE="ca.pem",
        KAFKA_SSL_CERTFILE="cert.pem",
        KAFKA_SSL_KEYFILE="key.pem",
        KAFKA_SSL_KEY_PASSWORD_FILE=written(tmp_path, "s3cret\n"),
    ).need_kafka()
    assert kafka == KafkaSettings(
        bootstrap_servers="a:1,b:2",
        security_protocol="SASL_SSL",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="me",
        sasl_password="s3cret",
        ssl_cafile="ca.pem",
        ssl_certfile="cert.pem",
        ssl_keyfile="key.pem",
        ssl_key_password="s3cret",
    )
    assert "s3cret" not in repr(kafka)


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "security protocol must be one of"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs a user and a password"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "SCRAM"},
            "SASL mechanism must be one of",
        ),
        ({"KAFKA_SASL_PASSWORD_FILE": "/nonexistent"}, "HEADRACE_KAFKA_SASL_PASSWORD_FILE"),
        ({"PARTITIONS": "many"}, "HEADRACE_PARTITIONS"),
        ({"PARTITIONS": "0"}, "HEADRACE_PARTITIONS"),
        ({"PARTITION": "4"}, "HEADRACE_PARTITION: see"),
        ({"CLICKHOUSE_URL": "ch:9000"}, "http:// or https://"),
        ({"AUDIT_TOPIC_PER_CLASS": "maybe"}, "AUDIT_TOPIC_PER_CLASS must be one of 1, true"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, environ: dict[str, str], what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        settings(tmp_path, KAFKA="a:1", **environ)


def test_a_variable_wins_over_the_local_stack(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    stack = {"kafka": "127.0.0.1:1", "clickhouse": "http://reader:x@127.0.0.1:2/headrace"}
    (state / "stack.json").write_bytes(
        orjson.dumps(stack | {"metrics": "m", "console": "c", "scrub": "s.toml"})
    )
    found = settings(tmp_path)
    assert found.need_kafka().bootstrap_servers == "127.0.0.1:1"
    assert found.need_clickhouse().url == stack["clickhouse"]
    assert (found.metrics_url, found.console_url) == ("m", "c")
    assert (found.scrub, settings(tmp_path, SCRUB="a.toml").scrub) == (
        Path("s.toml"),
        Path("a.toml"),
    )
    assert settings(tmp_path, KAFKA="a:1").need_kafka().bootstrap_servers == "a:1"
    assert settings(tmp_path, CLICKHOUSE_URL=URL).need_clickhouse().url == URL


def test_files_and_the_address_for_people(tmp_path: Path) -> None:
    found = settings(tmp_path, ALERT_RULES="r.toml", PRICES="p.toml", EXTERNAL_URL="https://h/")
    assert (found.alert_rules, found.prices) == (Path("r.toml"), Path("p.toml"))
    assert found.external_url == "https://h/"


def test_content_stands_in_spans_only_where_that_is_asked_for(tmp_path: Path) -> None:
    assert not settings(tmp_path).trace_content
    assert settings(tmp_path, TRACE_CONTENT="1").trace_content
    with pytest.raises(SettingsError, match=r"HEADRACE_TRACE_CONTENT must be one of .*not 'full'"):
        settings(tmp_path, TRACE_CONTENT="full")


@pytest.mark.parametrize(
    ("text", "meant"),
    [("", False), ("0", False), ("no", False), ("1", True), ("Yes", True), ("TRUE", True)],
)
def test_a_switch_is_on_or_off(tmp_path: Path, text: str, meant: bool) -> None:
    assert settings(tmp_path, AUDIT_TOPIC_PER_CLASS=text).audit.topic_per_class is meant
    assert settings(tmp_path).audit.topic_per_class is False
