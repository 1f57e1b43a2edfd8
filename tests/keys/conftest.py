"""Stores to test on, a directory and S3, and a clock to turn."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from headrace.events.settings import AuditSettings, Settings
from headrace.sinks.audit.keys.data_keys import DataKeys, initialise
from headrace.sinks.audit.keys.directory import DirectoryStore
from headrace.sinks.audit.keys.keyring import KeyRing
from headrace.sinks.audit.keys.master import LocalMasterKey
from headrace.sinks.audit.keys.names import KeyName
from headrace.sinks.audit.keys.s3 import S3Store
from headrace.sinks.audit.keys.store import KeyStore
from tests.stack.aws_models import models_read_once

MASTER = LocalMasterKey(b"m" * 32)
ANN = KeyName("a" * 32, "approval")
BOB = KeyName("ab" * 16, "approval")
BASE64 = base64.b64encode(b"m" * 32).decode()


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """moto's S3 and KMS on loopback. Returns the endpoint."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with models_read_once():
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """AWS's own variables, as its clients read them."""
    for name, value in aws_variables(moto).items():
        monkeypatch.setenv(name, value)
    return moto


def aws_variables(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture(scope="session")
def s3(moto: str) -> Any:
    """A client of its own, that looks at what ours did."""
    variables = aws_variables(moto)
    return boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        region_name=variables["AWS_DEFAULT_REGION"],
    )


@pytest.fixture
def bucket(s3: Any, aws: str) -> str:
    """A bucket with versions, which is where shredding has the most to do."""
    name = f"keys-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


@pytest.fixture(params=["directory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    """A store that is prepared and empty, of each kind."""
    made: KeyStore
    if request.param == "directory":
        made = DirectoryStore(tmp_path / "keys")
    else:
        made = S3Store(f"s3://{request.getfixturevalue('bucket')}/audit/keys")
    made.prepare()
    return made


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


Open = Callable[..., DataKeys]


@pytest.fixture
def opened(store: KeyStore, clock: Clock) -> Open:
    """Open the store's keys as one more process would."""
    initialise(store, KeyRing([MASTER]))

    def call(*masters: LocalMasterKey, lanes: int = 4) -> DataKeys:
        ring = KeyRing(masters or [MASTER])
        return DataKeys(store, ring, lanes=lanes, clock=clock, now=clock)

    return call


@pytest.fixture
def local(tmp_path: Path) -> Settings:
    """Settings of a directory that nothing was made in yet."""
    return Settings(state_dir=tmp_path / "state")


def with_audit(settings: Settings, **fields: Any) -> Settings:
    return replace(settings, audit=AuditSettings(**fields))
