"""Why a connection failed, in words of ours: an exception's own text may hold what was sent."""

from __future__ import annotations

import ssl

import httpx


def cause_of(error: httpx.TransportError) -> str | None:
    """What TLS or the other side's system says, however deep it lies; None where neither does."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"no TLS ({cause.reason})"
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused"
        cause = cause.__cause__ or cause.__context__
    return None
