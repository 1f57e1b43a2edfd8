"""Open the place that a setting names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from headrace.events.errors import SettingsError
from headrace.sinks.audit.vault.directory import DirectoryPlace
from headrace.sinks.audit.vault.place import Place
from headrace.sinks.audit.vault.s3 import S3Place


def open_place(where: str) -> Place:
    """Open a directory or ``s3://bucket/prefix``. Asks it nothing yet.

    Raises :class:`SettingsError` for another scheme, and where boto3 is not there.
    """
    if "://" not in where:
        return DirectoryPlace(Path(where))
    url = urlsplit(where)
    if url.scheme != "s3" or not url.netloc:
        raise SettingsError(f"a vault is a directory or s3://bucket/prefix, not {where!r}")
    return S3Place(url.netloc, url.path)
