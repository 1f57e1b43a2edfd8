"""The archive on the embedded broker."""

from __future__ import annotations

from tests.archive.behaviour import ArchiveBehaviour


class TestArchiveEmbedded(ArchiveBehaviour):
    session_timeout = 3.0
