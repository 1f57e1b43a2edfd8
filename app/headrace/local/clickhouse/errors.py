"""ClickHouse's errors: code, HTTP status and text, as clients of the real server expect them."""

from __future__ import annotations

import re
from typing import Final

_BAD_REQUEST: Final = frozenset(
    {6, 25, 26, 27, 28, 32, 36, 38, 41, 43, 44, 53, 62, 70, 72, 117, 130, 131, 168, 182, 184}
    | {190, 253, 372, 373, 374, 376, 407, 441, 451, 456, 457, 467, 675, 676, 677}
)
_NOT_FOUND: Final = frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 139, 336})
_STATUS: Final = {
    82: 500,
    48: 501,
    76: 503,
    159: 408,
    194: 401,
    202: 503,
    209: 503,
    439: 503,
    164: 403,
    381: 411,
    497: 403,
    516: 403,
    241: 507,
}
_CODE = re.compile(r"Code: (\d+)\.")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")


class ClickHouseError(Exception):
    """An error as ClickHouse reports it. ``str()`` is the body that the client reads."""

    def __init__(self, code: int, message: str, name: str, *, status: int | None = None) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message} ({name})")
        self.code = code
        self.name = name
        self.status = status_of(code) if status is None else status


class EngineError(ClickHouseError):
    """What chDB answered, with its own text."""

    def __init__(self, text: str) -> None:
        at = text.find("Code: ")
        text = text[at:] if at > 0 else text
        match = _CODE.search(text)
        code = int(match.group(1)) if match else 1002
        if match is None:
            text = f"Code: {code}. DB::Exception: {text} (UNKNOWN_EXCEPTION)"
        names = _NAME.findall(text)
        super().__init__(code, "", names[-1] if names else "UNKNOWN_EXCEPTION")
        self.args = (text.strip(),)


def status_of(code: int) -> int:
    """Return the HTTP status that ClickHouse answers an error code with."""
    if code in _BAD_REQUEST:
        return 400
    if code in _NOT_FOUND:
        return 404
    return _STATUS.get(code, 500)


def refused(message: str) -> ClickHouseError:
    """Make the error of something that nobody may do here."""
    return ClickHouseError(497, message, "ACCESS_DENIED")


def readonly(message: str) -> ClickHouseError:
    """Make the error of a reader that tried to change something."""
    return ClickHouseError(164, message, "READONLY")
