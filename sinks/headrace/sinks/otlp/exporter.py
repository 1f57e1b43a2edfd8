"""What sends a request to a receiver, and what its answer means."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from headrace.events.errors import Retryable, SettingsError
from headrace.events.settings import OtlpSettings
from headrace.sinks.otlp import need_extra
from headrace.sinks.otlp.row import Row

CONNECT_SECONDS: Final = 5.0
"""Two lost packets are forgiven, TLS included."""
TOTAL_SECONDS: Final = 30.0
"""A receiver takes a request into its memory or its queue; it has no more to do with it."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The receiver took a request."""

    rejected: int = 0
    """Spans of it that it did not want: by the protocol they are not sent again."""
    why: str = ""
    """In its words. Hostile."""


class Away(Retryable):
    """The receiver took nothing, and the spans are not to blame: they may be offered again."""

    def __init__(self, message: str, *, label: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.label = label
        """A word for metrics: the status that it answered with, or ``none``."""
        self.after = after
        """Seconds that it asked to be left alone for."""


class Exporter(Protocol):
    """One receiver. For the tasks of one loop; one request at a time."""

    async def export(self, rows: Sequence[Row]) -> Taken:
        """Send one request; bounded by :data:`TOTAL_SECONDS`.

        Raises :class:`Away`, or :class:`~headrace.events.errors.Poison` where the receiver says
        that it will never take this request as it is: one of its spans may be to blame.
        """
        ...

    async def close(self) -> None:
        """Release the connection. Safe to call twice."""
        ...


def open_exporter(settings: OtlpSettings) -> Exporter:
    """Make the exporter that the settings ask for. Raises SettingsError; connects later."""
    need_extra()
    if settings.protocol == "grpc":
        from headrace.sinks.otlp.over_grpc import GrpcExporter  # noqa: PLC0415 - a heavy import

        return GrpcExporter(settings)
    from headrace.sinks.otlp.over_http import HttpExporter  # noqa: PLC0415 - needs the extra

    return HttpExporter(settings)


def need_right(settings: OtlpSettings) -> None:
    """Raise SettingsError where no exporter could be opened. Connects to nobody."""
    need_extra()
    trusted(settings)


def trusted(settings: OtlpSettings) -> ssl.SSLContext:
    """Return whom to trust: the system's authorities, or the one of the settings."""
    certificate = settings.certificate
    try:
        return ssl.create_default_context(cafile=None if certificate is None else str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"HEADRACE_OTLP_CERTIFICATE cannot be used: {error}") from None
