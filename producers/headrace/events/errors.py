"""What can go wrong, as a tree.

HeadraceError
├── SettingsError            a setting is missing or wrong; the message says which and what to do
├── EnvelopeError            bytes that are not an event of ours
├── Retryable                this attempt failed, the same bytes may succeed later
└── Poison                   these bytes will never be accepted: dead-letter them
    └── TooManyPoisoned      so many that something else is wrong: stop
"""

from __future__ import annotations


class HeadraceError(Exception):
    """The root. ``str()`` is one line for a person, and never holds a secret."""


class SettingsError(HeadraceError):
    """A setting is missing or wrong."""


class EnvelopeError(HeadraceError):
    """Bytes that are not an event as the contract describes it."""


class Retryable(HeadraceError):  # noqa: N818 - the field's word
    """An attempt failed and may have landed in part. The same bytes may be offered again."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        """The server's error code, where it gave one."""


class Poison(HeadraceError):  # noqa: N818 - the field's word
    """These bytes will never be accepted. Carries where they came from."""

    def __init__(
        self,
        reason: str,
        *,
        topic: str = "",
        partition: int = -1,
        offset: int = -1,
        code: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.code = code


class TooManyPoisoned(Poison):
    """The dead-letter limits were passed: a person must look before more is set aside."""
