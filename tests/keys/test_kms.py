"""A master key in AWS KMS. On moto's KMS."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from headrace.events.errors import SettingsError
from headrace.events.settings import Settings
from headrace.sinks.audit.keys import (
    KeyStoreError,
    MasterKeyError,
    MissingKeyError,
    ensure_local,
    open_keys,
)
from headrace.sinks.audit.keys.kms import KmsMasterKey
from headrace.sinks.audit.keys.names import path_of
from headrace.sinks.audit.keys.record import Wrapped, decode
from headrace.sinks.audit.keys.rotation import rotate_master
from tests.keys.conftest import ANN, BOB, with_audit


@pytest.fixture
def kms(aws: str) -> Any:
    return boto3.client("kms")


@pytest.fixture
def arn(kms: Any) -> str:
    made: str = kms.create_key()["KeyMetadata"]["Arn"]
    return made


def test_data_keys_are_wrapped_by_it(local: Settings, arn: str, kms: Any) -> None:
    settings = with_audit(local, kms_key=arn)
    assert not any("master" in one for one in ensure_local(settings))
    key = open_keys(settings).current([ANN])[ANN]
    assert open_keys(settings).by_id(key.id) == key.key
    path = local.state_dir / "audit" / "keys" / path_of(key.id)
    record = decode(key.id, path.read_bytes())
    assert isinstance(record, Wrapped)
    assert record.master == f"kms:{arn}"
    context = {"headrace:audit-key": key.id}
    answer = kms.decrypt(CiphertextBlob=record.wrapped, EncryptionContext=context)
    assert answer["Plaintext"] == key.key
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=record.wrapped)


def test_what_it_wrapped_opens_under_no_other_id(arn: str) -> None:
    master = KmsMasterKey(arn)
    wrapped = master.wrap(ANN.generation(1), b"k" * 32)
    assert master.unwrap(ANN.generation(1), wrapped) == b"k" * 32
    for key_id, content in ((BOB.generation(1), wrapped), (ANN.generation(1), wrapped[:-1] + b"x")):
        with pytest.raises(MissingKeyError, match=r"damaged in its store"):
            master.unwrap(key_id, content)


def test_an_alias_is_the_key_behind_it(arn: str, kms: Any) -> None:
    kms.create_alias(AliasName="alias/headrace", TargetKeyId=arn)
    assert KmsMasterKey("alias/headrace").id == f"kms:{arn}"
    kms.delete_alias(AliasName="alias/headrace")


def test_its_rotation_names_both(local: Settings, arn: str, kms: Any) -> None:
    ensure_local(with_audit(local, kms_key=arn))
    made = open_keys(with_audit(local, kms_key=arn)).current([ANN, BOB])
    new = kms.create_key()["KeyMetadata"]["KeyId"]
    with pytest.raises(MasterKeyError, match=arn):
        open_keys(with_audit(local, kms_key=new))
    both = with_audit(local, kms_key=f"{new}, {arn}")
    assert open_keys(both).current([ANN, BOB]) == made
    assert rotate_master(both).rewrapped == 3
    assert rotate_master(both).rewrapped == 0
    assert open_keys(with_audit(local, kms_key=new)).current([ANN, BOB]) == made


def test_a_file_is_left_for_it(local: Settings, arn: str) -> None:
    ensure_local(local)
    made = open_keys(local).current([ANN])
    settings = with_audit(local, kms_key=arn)
    done = rotate_master(settings, local.state_dir / "audit" / "master.key")
    assert (done.master, done.fresh, done.rewrapped) == (f"kms:{arn}", False, 2)
    assert open_keys(settings).current([ANN]) == made


def test_a_key_that_is_not_there(aws: str) -> None:
    with pytest.raises(KeyStoreError, match=r"the KMS key alias/none: NotFoundException"):
        KmsMasterKey("alias/none")


def test_a_key_that_cannot_encrypt_with_a_context(kms: Any) -> None:
    made = kms.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]
    with pytest.raises(SettingsError, match="needs a symmetric one"):
        KmsMasterKey(made["KeyId"])
