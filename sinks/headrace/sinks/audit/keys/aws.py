"""Clients of AWS, and what their errors mean. boto3 is the extra ``s3``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from headrace.events.errors import Retryable, SettingsError
from headrace.sinks.audit.keys.errors import KeyStoreError
from headrace.sinks.audit.keys.lanes import LANES

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 10
"""A few hundred bytes are there in milliseconds."""
ATTEMPTS: Final = 4
"""Of each call, before it is :class:`Retryable`."""
_LATER: Final = frozenset(
    {
        "DependencyTimeout",
        "DependencyTimeoutException",
        "InternalError",
        "KMSInternalException",
        "KeyUnavailableException",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
    }
)


def client(service: str) -> Any:
    """Return a client, safe from any thread. Where it goes is up to AWS's own variables.

    Raises :class:`SettingsError`.
    """
    try:
        from boto3.session import Session  # noqa: PLC0415 - an extra, and slow
        from botocore.config import Config  # noqa: PLC0415 - the same
    except ImportError:
        raise SettingsError('s3:// and AWS KMS need boto3: pip install "headrace[s3]"') from None
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=LANES,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    with faults(f"AWS {service}"):
        # A session of its own: the default one is shared by threads that may be making clients.
        return Session().client(service, config=config)


@contextmanager
def faults(what: str) -> Iterator[None]:
    """Raise :class:`Retryable` for what may pass, :class:`KeyStoreError` for what will not."""
    from botocore import exceptions  # noqa: PLC0415 - see above

    try:
        yield
    except exceptions.ClientError as error:
        code = code_of(error)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        line = f"{what}: {code}: {error.response['Error'].get('Message', '')}".rstrip(": ")
        passes = code in _LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        raise (Retryable(line) if passes else KeyStoreError(line)) from None
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise Retryable(f"{what}: {error}") from None
    except (exceptions.BotoCoreError, ValueError) as error:  # no region, no credentials
        raise SettingsError(f"{what}: {error}: see AWS's own variables") from None


def code_of(error: Any) -> str:
    """Return the code of a ClientError."""
    return str(error.response["Error"].get("Code", ""))
