"""A master key in AWS KMS: it never leaves there.

The key's id stands in the encryption context, so that a wrapped key opens under no other id, and
CloudTrail names each key that was opened. Needs kms:DescribeKey, Encrypt and Decrypt.
"""

from __future__ import annotations

from typing import Final

from headrace.events.errors import SettingsError
from headrace.sinks.audit.keys import aws
from headrace.sinks.audit.keys.errors import MissingKeyError

PREFIX: Final = "kms:"
"""What stands before the ARN in a master key's id."""


class KmsMasterKey:
    """See :class:`headrace.sinks.audit.keys.master.MasterKey`. A call is a round trip."""

    def __init__(self, key: str) -> None:
        """``key``: a key id, an alias or an ARN. Raises :class:`SettingsError`."""
        self._client = aws.client("kms")
        with aws.faults(f"the KMS key {key}"):
            found = self._client.describe_key(KeyId=key)["KeyMetadata"]
        if found.get("KeySpec") != "SYMMETRIC_DEFAULT":  # others know no encryption context
            raise SettingsError(
                f"the KMS key {key} is a {found.get('KeySpec')} key: HEADRACE_AUDIT_KMS_KEY needs "
                "a symmetric one"
            )
        self._arn: str = found["Arn"]
        self.id = PREFIX + self._arn

    def wrap(self, key_id: str, key: bytes) -> bytes:
        with aws.faults(f"the KMS key {self._arn}"):
            answer = self._client.encrypt(
                KeyId=self._arn, Plaintext=key, EncryptionContext=_context(key_id)
            )
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        with aws.faults(f"the KMS key {self._arn}"):
            try:
                answer = self._client.decrypt(
                    KeyId=self._arn, CiphertextBlob=wrapped, EncryptionContext=_context(key_id)
                )
            except (
                self._client.exceptions.InvalidCiphertextException,
                self._client.exceptions.IncorrectKeyException,
            ):
                raise MissingKeyError(
                    f"the key {key_id} is damaged in its store: restore it from a backup"
                ) from None
        key: bytes = answer["Plaintext"]
        return key


def _context(key_id: str) -> dict[str, str]:
    return {"headrace:audit-key": key_id}
