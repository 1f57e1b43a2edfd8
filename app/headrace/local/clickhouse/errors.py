"""ClickHouse's errors: code, HTTP status and text, as clients of the real server expect them."""

from __future__ import annotations

import re
from typing import Final

_BAD_REQUEST: Final = frozenset(
    {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427}
    | {441, 675, 676}
)
_NOT_FOUND: Final = frozenset({46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511})
_STATUS: Final = {
    48: 501,  # NOT_IMPLEMENTED
    76: 503,  # CANNOT_OPEN_FILE
    159: 408,  # TIMEOUT_EXCEEDED
    192: 403,  # UNKNOWN_USER
    193: 403,  # WRONG_PASSWORD
    194: 401,  # REQUIRED_PASSWORD
    209: 503,  # SOCKET_TIMEOUT
    229: 413,  # QUERY_IS_TOO_LARGE
    381: 411,  # HTTP_LENGTH_REQUIRED
    439: 503,  # CANNOT_SCHEDULE_TASK
    497: 403,  # ACCESS_DENIED
    512: 403,  # SET_NON_GRANTED_ROLE
    516: 403,  # AUTHENTICATION_FAILED
    779: 415,  # UNSUPPORTED_MEDIA_TYPE
}
_CODE = re.compile(r"Code: (\d+)\.")
_TWICE = re.compile(r"Code: (\d+)\. DB::\w+: (?=Code: \1\. DB::)")
_VERSION = re.compile(r" \(version [0-9.]+(?: \([^)]*\))?\)(?:\. \([A-Z0-9_]+\))?")
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
        text = _VERSION.sub("", text)
        while _TWICE.match(text):
            text = _TWICE.sub("", text)
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
