"""What the doctor says of the receiver of spans."""

from __future__ import annotations

from headrace.cli.faults import CommandError
from headrace.events.errors import Poison
from headrace.events.settings import OtlpSettings
from headrace.sinks.otlp.exporter import Away, open_exporter


async def receiver_text(settings: OtlpSettings) -> str:
    """Send a request without spans, which every receiver takes; say that it answers.

    Raises CommandError or SettingsError.
    """
    exporter = open_exporter(settings)
    try:
        await exporter.export([])
    except (Away, Poison) as error:
        raise CommandError(
            f"{settings.endpoint} by {settings.protocol}: {error}: start it, or correct"
            " HEADRACE_OTLP_ENDPOINT, _PROTOCOL or _HEADERS"
        ) from None
    finally:
        await exporter.close()
    return f"{settings.endpoint} answers by {settings.protocol}"
