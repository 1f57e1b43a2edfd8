"""A key store in S3: an object a key, made by ``If-None-Match`` and replaced by ``If-Match``.

Shredding puts the tombstone in the object's place and then removes every other version. So the
bucket must have no Object Lock with a default retention, and must not be replicated to one that
keeps versions. The account needs s3:GetObject, PutObject, ListBucket, ListBucketVersions and
DeleteObjectVersion.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from headrace.events.errors import Retryable, SettingsError
from headrace.sinks.audit.keys import aws
from headrace.sinks.audit.keys.errors import KeyStoreError

SCHEME: Final = "s3://"
_PROBE: Final = ".probe"
_CONFLICTS: Final = 5
"""Answers 409 in a row: S3 was writing the same object for somebody else, and asks to try again."""


class S3Store:
    """See :class:`headrace.sinks.audit.keys.store.KeyStore`."""

    def __init__(self, where: str) -> None:
        """``where``: ``s3://bucket/prefix``. Raises :class:`SettingsError`."""
        self.where = where.rstrip("/")
        self._bucket, _, prefix = self.where.removeprefix(SCHEME).partition("/")
        if not self._bucket:
            raise SettingsError(f"{where!r} names no bucket: write s3://bucket/prefix")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = aws.client("s3")

    def read(self, path: str) -> bytes | None:
        found = self._get(path)
        return None if found is None else found[0]

    def create(self, path: str, content: bytes) -> bool:
        return self._put(path, content, IfNoneMatch="*")

    def replace(self, path: str, old: bytes, new: bytes) -> bool:
        found = self._get(path)
        if found is None or found[0] != old or not self._put(path, new, IfMatch=found[1]):
            return False
        self._purge(path)
        return True

    def bury(self, path: str, old: bytes, tombstone: bytes) -> bool:
        if old == tombstone:
            self._purge(path)
            return True
        return self.replace(path, old, tombstone)

    def paths(self, prefix: str = "") -> Iterator[str]:
        with aws.faults(f"cannot list {self.where}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    yield found["Key"][len(self._prefix) :]

    def prepare(self) -> None:
        """Raise :class:`KeyStoreError` where keys could be overwritten, or not be shredded."""
        if self._default_retention():
            raise KeyStoreError(
                f"the bucket {self._bucket} locks what is put into it: keys there could not be "
                "shredded: give HEADRACE_AUDIT_KEYS a bucket without a default retention"
            )
        self.create(_PROBE, b"headrace\n")
        if self.create(_PROBE, b"headrace\n"):
            raise KeyStoreError(
                f"{self.where} does not heed If-None-Match: two workers would make two keys of one"
            )

    def _get(self, path: str) -> tuple[bytes, str] | None:
        """Return content and ETag."""
        with aws.faults(f"cannot read {self.where}/{path}"):
            try:
                found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + path)
            except self._client.exceptions.NoSuchKey:
                return None
            return found["Body"].read(), found["ETag"]

    def _put(self, path: str, content: bytes, **condition: str) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        with aws.faults(f"cannot write {self.where}/{path}"):
            for _ in range(_CONFLICTS):
                try:
                    self._client.put_object(
                        Bucket=self._bucket, Key=self._prefix + path, Body=content, **condition
                    )
                    return True
                except ClientError as error:
                    code = aws.code_of(error)
                    if code in {"PreconditionFailed", "NoSuchKey"}:
                        return False
                    if code != "ConditionalRequestConflict":
                        raise
        raise Retryable(f"{self.where}/{path} is being written by others")

    def _purge(self, path: str) -> None:
        """Remove every version but the latest."""
        key = self._prefix + path
        with aws.faults(
            f"cannot remove the former versions of {self.where}/{path} (s3:ListBucketVersions and "
            "s3:DeleteObjectVersion must be allowed, and no Object Lock hold them)"
        ):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=key
            )
            for page in pages:
                for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                    if one["Key"] == key and not one["IsLatest"]:
                        self._client.delete_object(
                            Bucket=self._bucket, Key=key, VersionId=one["VersionId"]
                        )

    def _default_retention(self) -> bool:
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        with aws.faults(f"cannot use {self.where}"):
            self._client.head_bucket(Bucket=self._bucket)
            try:
                found: dict[str, Any] = self._client.get_object_lock_configuration(
                    Bucket=self._bucket
                )
            except ClientError:  # no lock; or no right to ask, or a server that knows none
                return False
            return "Rule" in found.get("ObjectLockConfiguration", {})
