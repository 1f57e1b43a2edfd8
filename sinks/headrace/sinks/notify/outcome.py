"""What came of one try, and what each HTTP status means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Verdict = Literal["delivered", "retry", "give_up", "gone"]

_AGAIN: Final = frozenset({408, 425, 429})
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """One try's end."""

    verdict: Verdict
    """``gone``: the receiver wants nothing more, ever."""
    reason: str = ""
    """For a person; never holds a secret, nor anything that a server sent as text."""
    retry_after: float | None = None
    """Seconds that the receiver asked to be left alone for."""


def of_status(status: int, retry_after: float | None = None) -> Outcome:
    """Judge an HTTP answer by its status, as Standard Webhooks asks for."""
    reason = f"answered {status}"
    if 200 <= status < 300:  # noqa: PLR2004 - a class of statuses
        return Outcome("delivered", reason)
    if status == _GONE:
        return Outcome("gone", f"{reason} Gone: the receiver wants nothing more")
    if status in _AGAIN or status >= 500:  # noqa: PLR2004 - a class of statuses
        return Outcome("retry", reason, retry_after)
    if 300 <= status < 400:  # noqa: PLR2004 - a class of statuses
        return Outcome("give_up", f"{reason}, a redirect: give the receiver its final URL")
    return Outcome("give_up", reason)
