"""What stands beside an export: what was asked for, what is there, and how to check it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO, Final, final

VERSION: Final = 1
MARK: Final = "headrace_export"
"""The key by which a manifest of ours is known."""
NAME: Final = "manifest.json"


@final
class Manifest:
    """Written as the files are finished: their list may be longer than memory is large."""

    def __init__(self, file: BinaryIO, about: Mapping[str, Any]) -> None:
        self._file = file
        head = json.dumps({MARK: VERSION, **about})
        self._file.write(head[:-1].encode() + b',\n"files": [')
        self._files = 0

    def add(self, entry: Mapping[str, Any]) -> None:
        """Name a finished file."""
        comma = b",\n" if self._files else b"\n"
        self._file.write(comma + json.dumps(entry).encode())
        self._files += 1

    def finish(self, totals: Mapping[str, Any]) -> None:
        """End with what all files hold together."""
        self._file.write(b"\n],\n" + json.dumps(dict(totals)).encode()[1:] + b"\n")
