"""What S3 alone has to do: versions, locks, rights, a server that is away. On moto's S3."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headrace.events.errors import Retryable, SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import KeyName, KeyStoreError, aws, ensure_local, open_keys
from headrace.sinks.audit.keys.names import path_of
from headrace.sinks.audit.keys.s3 import S3Store
from tests.keys.conftest import ANN, BASE64, BOB, with_audit


@pytest.fixture
def where(bucket: str) -> str:
    return f"s3://{bucket}/audit/keys"


@pytest.fixture
def settings(local: Settings, where: str) -> Settings:
    made = with_audit(local, keys=where, master_key=BASE64)
    ensure_local(made)
    return made


def versions(s3: Any, bucket: str, key_id: str) -> list[Any]:
    found = s3.list_object_versions(Bucket=bucket, Prefix=f"audit/keys/{path_of(key_id)}")
    return [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]


def test_a_shredded_key_has_one_version_the_tombstone(
    settings: Settings, s3: Any, bucket: str
) -> None:
    keys = open_keys(settings)
    key_id = keys.current([ANN])[ANN].id
    path = f"audit/keys/{path_of(key_id)}"
    wrapped = s3.get_object(Bucket=bucket, Key=path)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=path)
    s3.put_object(Bucket=bucket, Key=path, Body=wrapped)
    assert len(versions(s3, bucket, key_id)) == 3
    keys.shred(key_id)
    (one,) = versions(s3, bucket, key_id)
    assert b'"shredded":' in s3.get_object(Bucket=bucket, Key=path)["Body"].read()
    assert one["IsLatest"]


def test_the_keys_of_others_keep_their_versions(settings: Settings, s3: Any, bucket: str) -> None:
    keys = open_keys(settings)
    first = [keys.current([ANN])[ANN].id]
    keys.shred(first[0])
    for _ in range(9):
        first.append(keys.current([ANN])[ANN].id)
        keys.shred(first[-1])
    tenth = keys.current([ANN])[ANN]
    # The first one's name is the beginning of the tenth's.
    assert tenth.id.startswith(first[0])
    keys.shred(first[0])
    assert open_keys(settings).by_id(tenth.id) == tenth.key


def test_an_interrupted_shredding_is_finished(
    settings: Settings, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = open_keys(settings)
    key_id = keys.current([ANN])[ANN].id

    def away(*_: object) -> None:
        raise Retryable("away")

    with monkeypatch.context() as patch:
        patch.setattr(S3Store, "_purge", away)
        with pytest.raises(Retryable):
            keys.shred(key_id)
    assert len(versions(s3, bucket, key_id)) == 2
    assert not keys.shred(key_id)
    assert len(versions(s3, bucket, key_id)) == 1


def test_a_bucket_without_versions_shreds_too(local: Settings, s3: Any, bucket: str) -> None:
    plain = bucket + "-plain"
    s3.create_bucket(Bucket=plain, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    settings = with_audit(local, keys=f"s3://{plain}", master_key=BASE64)
    ensure_local(settings)
    keys = open_keys(settings)
    key_id = keys.current([ANN])[ANN].id
    assert keys.shred(key_id)
    assert b"wrapped" not in s3.get_object(Bucket=plain, Key=path_of(key_id))["Body"].read()


def test_what_was_left_of_a_rotation_goes_with_the_shredding(
    settings: Settings, s3: Any, bucket: str
) -> None:
    keys = open_keys(settings)
    key_id = keys.current([ANN])[ANN].id
    path = f"audit/keys/{path_of(key_id)}"
    s3.put_object(Bucket=bucket, Key=path, Body=b"{}")
    keys.shred(key_id)
    assert len(versions(s3, bucket, key_id)) == 1


def test_a_hundred_keys_are_made_and_read_at_once(settings: Settings) -> None:
    names = [KeyName(f"{n:032x}", "approval") for n in range(100)]
    made = open_keys(settings).current(names)
    assert open_keys(settings).current(names) == made
    assert len({one.key for one in made.values()}) == 100


def test_a_listing_of_more_than_a_page_is_whole(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = open_keys(settings)
    names = [KeyName(f"{n:032x}", "approval") for n in range(5)]
    keys.current(names)
    store = keys._store
    assert isinstance(store, S3Store)
    paginator = store._client.get_paginator
    monkeypatch.setattr(
        store._client,
        "get_paginator",
        lambda name: _Small(paginator(name)),
    )
    assert len(list(keys.ids())) == 6


class _Small:
    """A paginator whose pages hold two."""

    def __init__(self, paginator: Any) -> None:
        self._paginator = paginator

    def paginate(self, **asked: Any) -> Any:
        return self._paginator.paginate(**asked, PaginationConfig={"PageSize": 2})


def test_a_bucket_that_locks_what_is_put_into_it_is_refused(
    local: Settings, s3: Any, bucket: str
) -> None:
    def locking(name: str) -> Settings:
        s3.create_bucket(
            Bucket=bucket + name,
            ObjectLockEnabledForBucket=True,
            CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
        )
        return with_audit(local, keys=f"s3://{bucket}{name}/keys", master_key=BASE64)

    assert ensure_local(locking("-on-demand"))
    always = locking("-always")
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3.put_object_lock_configuration(
        Bucket=bucket + "-always",
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    with pytest.raises(KeyStoreError, match="keys there could not be shredded"):
        ensure_local(always)


def test_a_version_that_is_locked_is_an_error_that_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = open_keys(settings)
    key_id = keys.current([ANN])[ANN].id
    store = keys._store
    assert isinstance(store, S3Store)

    def denied(**_: object) -> None:
        raise ClientError(
            {"Error": {"Code": "AccessDenied", "Message": "it is locked"}}, "DeleteObject"
        )

    monkeypatch.setattr(store._client, "delete_object", denied)
    with pytest.raises(KeyStoreError, match=r"former versions of .*Object Lock.*AccessDenied"):
        keys.shred(key_id)


def test_a_server_that_heeds_no_condition_is_refused(
    local: Settings, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = S3Store._put
    monkeypatch.setattr(S3Store, "_put", lambda self, path, content, **_: put(self, path, content))
    with pytest.raises(KeyStoreError, match="does not heed If-None-Match"):
        ensure_local(with_audit(local, keys=where, master_key=BASE64))


def test_a_conflict_is_tried_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = open_keys(settings)
    store = keys._store
    assert isinstance(store, S3Store)
    put, answers = store._client.put_object, [409, 409]

    def conflict(**asked: Any) -> Any:
        if answers:
            answers.pop()
            raise ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")
        return put(**asked)

    monkeypatch.setattr(store._client, "put_object", conflict)
    assert keys.current([ANN])[ANN].id == ANN.generation(1)
    answers[:] = [409] * 5
    with pytest.raises(Retryable, match="being written by others"):
        keys.current([BOB])


def test_a_bucket_that_is_not_there(local: Settings, aws: str) -> None:
    settings = with_audit(local, keys="s3://nowhere/keys", master_key=BASE64)
    with pytest.raises(KeyStoreError, match=r"cannot read s3://nowhere/keys/.*NoSuchBucket"):
        open_keys(settings)


def test_s3_without_a_bucket(local: Settings, aws: str) -> None:
    with pytest.raises(SettingsError, match="write s3://bucket/prefix"):
        open_keys(with_audit(local, keys="s3:///keys", master_key=BASE64))


def test_a_server_that_is_away_may_come_back(
    local: Settings, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(aws_module, "ATTEMPTS", 1)
    with pytest.raises(Retryable, match="cannot read s3://somewhere/keys"):
        open_keys(with_audit(local, keys="s3://somewhere/keys", master_key=BASE64))


aws_module = aws


@pytest.mark.parametrize("code", ["SlowDown", "ServiceUnavailable"])
def test_a_server_that_is_busy_may_have_time_later(code: str) -> None:
    with pytest.raises(Retryable), aws_module.faults("it"):
        raise ClientError({"Error": {"Code": code}}, "GetObject")


def test_without_credentials_it_says_whose_variables_to_set(
    local: Settings, aws: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(SettingsError, match="credentials: see AWS's own variables"):
        open_keys(with_audit(local, keys="s3://somewhere/keys", master_key=BASE64))


def test_without_boto3_it_says_which_extra() -> None:
    code = (
        "import sys; sys.modules['boto3'] = None\n"
        "from headrace.cli.main import run\nsys.exit(run(['audit', 'keys', 'check']))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"HEADRACE_AUDIT_KEYS": "s3://b/k", "HEADRACE_AUDIT_MASTER_KEY": BASE64},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr == ('headrace: s3:// and AWS KMS need boto3: pip install "headrace[s3]"\n')
