"""A vault in S3, whose Object Lock in compliance mode lets nobody remove what is kept.

Credentials, region and endpoint are boto3's to find (``AWS_*``, profiles, roles). The role of the
sealer needs PutObject, PutObjectRetention, GetObject, GetBucketObjectLockConfiguration and
ListBucket; legal holds need PutObjectLegalHold; removing what fell due needs ListBucketVersions and
DeleteObjectVersion, which a sealer does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from time import time
from typing import Any, Final

from headrace.events.errors import Retryable, SettingsError
from headrace.sinks.audit.vault.place import (
    KeptError,
    MissingError,
    Retained,
    TakenError,
    checked,
    need_removable,
)

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60
"""A segment of 4,096 large leaves is some hundred megabytes."""
FOR_EVER_SECONDS: Final = 36_500 * 86_400.0
"""Object Lock wants a date: that of what is kept for ever is a hundred years away."""
_MANY: Final = 50 * 365 * 86_400.0
"""What is kept for longer than this from now on was to be kept for ever."""
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})
_TAKEN: Final = frozenset({"412", "PreconditionFailed"})


class S3Place:
    """See :class:`~headrace.sinks.audit.vault.place.Place`. Needs the extra ``s3``."""

    def __init__(self, bucket: str, prefix: str, *, clock: Callable[[], float] = time) -> None:
        """Raise :class:`SettingsError` where boto3 is not there or not set up. Asks nothing yet."""
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._clock = clock
        self._client = _client()
        self._locked = False
        """Whether the bucket was seen to have Object Lock."""

    def create(self, name: str, content: bytes, *, retain_until: float | None = None) -> bool:
        now = self._clock()
        until = now + FOR_EVER_SECONDS if retain_until is None else retain_until
        # S3 refuses dates that have passed: what is due at once is kept for a minute.
        lock = {
            "ObjectLockMode": "COMPLIANCE",
            "ObjectLockRetainUntilDate": datetime.fromtimestamp(max(until, now + 60), timezone.utc),
        }
        with self._available(name):
            self._need_lock()
            try:
                self._client.put_object(
                    **self._at(name),
                    Body=content,
                    IfNoneMatch="*",
                    ChecksumAlgorithm="SHA256",
                    **lock,
                )
            except self._client.exceptions.ClientError as error:
                if _code(error) not in _TAKEN:
                    raise
            else:
                return True
        if self.read(name) != content:
            raise TakenError(f"another {name} is in the vault already")
        return False

    def read(self, name: str) -> bytes:
        with self._available(name):
            content: bytes = self._client.get_object(**self._at(name))["Body"].read()
            return content

    def names(self, prefix: str, *, after: str = "") -> Iterator[str]:
        while True:
            names, more = self._page(prefix, after=after)
            yield from names
            if not more:
                return
            # Behind a folder begins what its names do not.
            after = names[-1][:-1] + "0" if names[-1].endswith("/") else names[-1]

    def last(self, prefix: str) -> str | None:
        """Narrow the prefix by a digit until one page holds all that is left."""
        names, more = self._page(prefix)
        while more:
            prefix += next(
                digit
                for digit in "0123456789"
                if digit == "9" or not self._page(prefix, after=f"{prefix}{digit}~", limit=1)[0]
            )
            names, more = self._page(prefix)
        return names[-1] if names else None

    def hold(self, name: str) -> None:
        self._set_hold(name, "ON")

    def release(self, name: str) -> None:
        self._set_hold(name, "OFF")

    def remove(self, name: str) -> None:
        try:
            need_removable(name, self.retained(name), self._clock())
        except MissingError:
            return
        with self._available(name):
            pages = self._client.get_paginator("list_object_versions").paginate(
                Bucket=self._bucket, Prefix=self._prefix + checked(name)
            )
            for version in [one for page in pages for one in page.get("Versions", ())]:
                if version["Key"] == self._prefix + name:
                    self._remove_version(name, version["VersionId"])

    def retained(self, name: str) -> Retained:
        with self._available(name):
            head = self._client.head_object(**self._at(name))
        date = head.get("ObjectLockRetainUntilDate")
        until = date.timestamp() if date is not None else 0.0
        for_ever = until > self._clock() + _MANY
        return Retained(None if for_ever else until, head.get("ObjectLockLegalHoldStatus") == "ON")

    def _set_hold(self, name: str, status: str) -> None:
        with self._available(name):
            self._client.put_object_legal_hold(
                **self._at(name), LegalHold={"Status": status}, ChecksumAlgorithm="SHA256"
            )

    def _remove_version(self, name: str, version: str) -> None:
        try:
            self._client.delete_object(**self._at(name), VersionId=version)
        except self._client.exceptions.ClientError as error:
            if _code(error) == "AccessDenied":
                raise KeptError(f"{name} may not be removed: S3 refuses it to this role") from None
            raise

    def _page(self, prefix: str, *, after: str = "", limit: int = 1000) -> tuple[list[str], bool]:
        """List once; return the names in order and whether there are more."""
        with self._available():
            found = self._client.list_objects_v2(
                Bucket=self._bucket,
                Prefix=self._prefix + prefix,
                Delimiter="/",
                MaxKeys=limit,
                **({"StartAfter": self._prefix + after} if after else {}),
            )
        names = [one["Key"] for one in found.get("Contents", ())]
        names += [one["Prefix"] for one in found.get("CommonPrefixes", ())]
        return sorted(name[len(self._prefix) :] for name in names), bool(found["IsTruncated"])

    def _need_lock(self) -> None:
        if self._locked:
            return
        try:
            found = self._client.get_object_lock_configuration(Bucket=self._bucket)
            enabled = found["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled"
        except self._client.exceptions.ClientError as error:
            if _code(error) != "ObjectLockConfigurationNotFoundError":
                raise
            enabled = False
        if not enabled:
            raise SettingsError(
                f"the bucket {self._bucket} has no Object Lock, so evidence could be removed from"
                f" it: {_how_to_make(self._bucket)}"
            )
        self._locked = True

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": self._prefix + checked(name)}

    @contextmanager
    def _available(self, name: str = "") -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError  # noqa: PLC0415 - an extra

        where = f"s3://{self._bucket}/{self._prefix}".rstrip("/")
        try:
            yield
        except ClientError as error:
            code = _code(error)
            if code in _MISSING and name:
                raise MissingError(f"the vault {where} has no {name}") from None
            if code == "NoSuchBucket":
                raise SettingsError(
                    f"there is no bucket {self._bucket}: {_how_to_make(self._bucket)}"
                ) from None
            why = " ".join(str(error).split())
            advice = "correct AWS_*, or the rights of its role"
            raise Retryable(f"the vault {where} refuses: {why}: {advice}") from None
        except NoCredentialsError:
            raise SettingsError(f"no AWS credentials for the vault {where}: set AWS_*") from None
        except (BotoCoreError, OSError) as error:
            why = " ".join(str(error).split())
            advice = "see that it answers, or correct AWS_*"
            raise Retryable(f"the vault {where} is away: {why}: {advice}") from None


def _client() -> Any:
    try:
        from boto3.session import Session  # noqa: PLC0415 - an extra
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    except ImportError:
        raise SettingsError("a vault in S3 needs boto3: pip install 'headrace[s3]'") from None
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # The caller tries again, and its health says so meanwhile.
        retries={"mode": "standard", "max_attempts": 2},
    )
    try:
        return Session().client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(f"S3 cannot be used: {error}") from None


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _how_to_make(bucket: str) -> str:
    return (
        f"make one by `aws s3api create-bucket --bucket {bucket} --object-lock-enabled-for-bucket`"
    )
