"""Decrypting evidence: what an event said, or why nobody can know it any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from headrace.events.settings import Settings
from headrace.sinks.audit import leaf as leaves
from headrace.sinks.audit.keys import KeysError, ShreddedError, open_keys

SHREDDED = "shredded"


@dataclass(frozen=True, slots=True)
class Opened:
    """A leaf's event, or one line of why there is none."""

    event: dict[str, Any] | None
    why: str | None = None


class Opener:
    """Opens leaves. Raises SettingsError and Retryable as the keys do. Blocking, any thread."""

    def __init__(self, settings: Settings) -> None:
        self._keys = open_keys(settings)

    def open(self, leaf: bytes) -> Opened:
        """Return what stands in a leaf. A policy's has nothing to open."""
        try:
            clear = leaves.read(leaf)
            if clear.kind != leaves.EVENT or clear.key is None:
                return Opened(None, "a policy's entry")
            value = leaves.opened(leaf, self._keys.by_id(clear.key))
        except ShreddedError:
            return Opened(None, SHREDDED)
        except (KeysError, leaves.LeafError) as error:
            return Opened(None, str(error))
        try:
            event: dict[str, Any] = orjson.loads(value)
        except ValueError:
            return Opened(None, "what was sealed is no JSON that can be read")
        return Opened(event)
