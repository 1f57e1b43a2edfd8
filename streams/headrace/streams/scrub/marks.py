"""What is put in a secret's place, and telling that it was.

What has been scrubbed once is not scrubbed again, so that a dead letter that is sent again comes to
the same row. Nobody without the key can make a pseudonym that passes for one.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Final, Literal, get_args

Action = Literal["redact", "mask", "pseudonym"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

SHORTEST_KEY: Final = 32
"""Bytes."""
_KEPT: Final = 4
_LEAST: Final = 3 * _KEPT
"""Characters of a secret of which the last four are shown: below, they would say too much."""
_STARS: Final = "****"

_REDACTED: Final = re.compile(rb"\[redacted:[a-z0-9-]{1,32}\]")
_MASKED: Final = re.compile(rb"\*{4}[\s\S]{0,16}")
_PSEUDONYM: Final = re.compile(rb"[a-z0-9-]{1,32}-([0-9a-f]{16})([0-9a-f]{4})")


def masked(text: str) -> str:
    """Return what is shown of a secret: stars, and its end where it is long."""
    return _STARS + (text[-_KEPT:] if len(text) >= _LEAST else "")


class Marks:
    """Makes and recognises marks. Texts are UTF-8. Safe from any thread."""

    def __init__(self, key: bytes | None) -> None:
        """Make it. ``key``: of the pseudonyms, None where no rule makes any."""
        self._key = key
        self._key_of = lru_cache(1024)(self._derived)

    def mark(self, action: Action, name: str, tenant: str, secret: bytes) -> bytes:
        """Return what stands for a secret."""
        if action == "pseudonym":
            said = self._mac(tenant, b"value\0" + secret, 8)
            return f"{name}-{said}{self._mac(tenant, said.encode(), 2)}".encode()
        if action == "mask":
            return masked(secret.decode(errors="replace")).encode()
        return f"[redacted:{name}]".encode()

    def is_mark(self, tenant: str, text: bytes) -> bool:
        """Whether all of a text is a mark, of whatever rule."""
        if _REDACTED.fullmatch(text):
            return True
        if _MASKED.fullmatch(text):
            return len(text.decode(errors="replace")) <= len(_STARS) + _KEPT
        return self.is_pseudonym(tenant, text)

    def is_pseudonym(self, tenant: str, text: bytes) -> bool:
        """Whether all of a text is a mark that stands for one text alone."""
        found = _PSEUDONYM.fullmatch(text)
        if found is None or self._key is None:
            return False
        return hmac.compare_digest(found[2].decode(), self._mac(tenant, found[1], 2))

    def _mac(self, tenant: str, message: bytes, size: int) -> str:
        return hmac.digest(self._key_of(tenant), message, "sha256")[:size].hex()

    def _derived(self, tenant: str) -> bytes:
        if self._key is None:
            raise ValueError("there is no key for pseudonyms")
        return hmac.digest(self._key, tenant.encode("utf-8", "surrogatepass"), "sha256")
