"""Spans by OTLP, to any receiver that speaks it: the Collector, Jaeger, Tempo, a vendor's.

All modules in here but this one need the extra otlp.
"""

from __future__ import annotations

import importlib.util

from headrace.events.errors import SettingsError


def need_extra() -> None:
    """Raise :class:`SettingsError` where the extra is not installed."""
    lacking = [name for name in ("opentelemetry.proto", "grpc") if not _there(name)]
    if lacking:
        raise SettingsError('OTLP needs its messages and gRPC: pip install "headrace[otlp]"')


def _there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what it would be in is not there
        return False
