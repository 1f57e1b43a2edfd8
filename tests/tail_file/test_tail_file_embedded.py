"""Following files, on the embedded broker."""

from __future__ import annotations

from tests.tail_file.behaviour import TailFileBehaviour


class TestTailFileEmbedded(TailFileBehaviour):
    pass
