"""A small file in which a command keeps what it knows the next time. Losing it does no harm."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import orjson


class StateFile:
    """One JSON object, written whole. ``about`` is what it is of: another thing, another file."""

    def __init__(self, directory: Path, about: Any) -> None:
        # Not orjson: the path of a file need not be UTF-8.
        told = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
        name = hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:32]
        self._path = directory / f"{name}.json"

    def load(self) -> dict[str, Any]:
        """Return what was saved; nothing where there is none that can be read."""
        try:
            found = orjson.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def save(self, state: Any) -> None:
        """Keep a dict or dataclass. Never raises for a full disk: the next run has more to do."""
        new = self._path.with_suffix(f".{os.getpid()}.new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            new.write_bytes(orjson.dumps(state))
            new.replace(self._path)
