"""S3 on loopback: moto's server, in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from boto3.session import Session
from moto.server import ThreadedMotoServer

from tests.stack.aws_models import models_read_once
from tests.support import unique


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    """Yield its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with models_read_once():
            yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every client of boto3 go there."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(s3: None) -> str:
    """Make a bucket with Object Lock; return its name."""
    name = unique("vault")
    Session().client("s3").create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return name
