r"""What a rule can look for by name.

A detector's *hint* stands, in the raw bytes of an event, wherever one of its patterns matches the
decoded text (escapes of printable characters apart, which have a hint of their own). It is what one
quick search over everything looks for, so it must be cheap, rare, and right: a test holds each
against planted examples. Quotes inside a text stand as ``\"`` in the bytes, a tab as ``\t``.

Patterns are RE2's, and stop at NUL, which stands between texts that are searched as one. What is
rewritten is the group ``secret``, else the whole match.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from headrace.streams.scrub import checks
from headrace.streams.scrub.checks import Check


@dataclass(frozen=True, slots=True)
class Detector:
    """How something is found."""

    name: str
    hint: str
    patterns: tuple[str, ...]
    check: Check = len
    again: bool = False
    """What fails the check may hide another one that begins within."""


# JSON inside of JSON has its quotes escaped, once or more often.
_ASSIGN: Final = r"\\*[\"'`]?[ \t]{0,4}(?:=>|:=|={1,3}|:)[ \t]{0,4}"
_ASSIGN_HINT: Final = r"(?:\\*['`]|\\+\"?)?(?: |\\t)*[:=]"
_PASS: Final = r"(?:password|passwd|passphrase|passwort|pwd)"  # noqa: S105 - names of keys, and no key
_NAMES: Final = (
    r"(?:secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key|auth[_-]?key"
    r"|private[_-]?key|encryption[_-]?key|signing[_-]?key)"
)
_PEM: Final = r"[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

SECRETS: Final = (
    Detector(
        "private-key",
        r"-----BEGIN ",
        # Of what was cut: all that is there.
        (rf"-----BEGIN {_PEM}(?s:.*?-----END {_PEM}|.*)",),
    ),
    Detector("aws", r"A(?:KI|SI|BI|CC)A[A-Z0-9]{16}", (r"\bA(?:KI|SI|BI|CC)A[A-Z0-9]{16}\b",)),
    Detector(
        "github",
        r"gh[pousr]_|github_pat_",
        (r"\bgh[pousr]_[A-Za-z0-9]{36,}", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    ),
    Detector(
        "gitlab",
        r"gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_.-]{20}",
        (r"\bgl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-[A-Za-z0-9_.-]{20,}",),
    ),
    Detector(
        "slack",
        r"xox[abeoprs]|xapp-|hooks\.slack\.com",
        (
            r"\bxox[abeoprs](?:\.[a-z]+)*-[A-Za-z0-9-]{10,}",
            r"\bxapp-[0-9]-[A-Za-z0-9-]{10,}",
            r"hooks\.slack\.com/(?:services|workflows|triggers)/(?P<secret>[A-Za-z0-9/_-]{16,})",
        ),
    ),
    Detector(
        "stripe",
        r"[sr]k_(?:live|test)_|whsec_",
        (r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}", r"\bwhsec_[A-Za-z0-9+/=_-]{24,}"),
    ),
    Detector(
        "google",
        r"AIza|GOCSPX-|ya29\.",
        (
            r"\bAIza[A-Za-z0-9_-]{35}",
            r"\bGOCSPX-[A-Za-z0-9_-]{28}",
            r"\bya29\.[A-Za-z0-9_-]{20,}",
        ),
    ),
    Detector("anthropic", r"sk-ant-", (r"\bsk-ant-[A-Za-z0-9_-]{16,}",)),
    Detector("openai", r"sk-[A-Za-z0-9_-]{20}", (r"\bsk-[A-Za-z0-9_-]{20,}",), checks.has_digit),
    Detector(
        "jwt",
        r"eyJ[A-Za-z0-9_-]{8}",
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,3}",),
    ),
    Detector(
        "authorization",
        r"(?i:bearer|authorization)",
        (
            r"(?i)\bbearer[ \t]+(?P<secret>[A-Za-z0-9._~+/=-]*[0-9][A-Za-z0-9._~+/=-]*)",
            r"(?i)\bauthorization"
            + _ASSIGN
            + r"[\"']?(?:basic|bearer|digest|token|negotiate|apikey|key)[ \t]+"
            r"(?P<secret>[^\x00\s\"',;\\]{4,})",
        ),
    ),
    Detector(
        "connection-string",
        r"://[^/ \n]*@",
        (r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\x00\s/:@\"'<>]*:(?P<secret>[^\x00\s/\"'<>]+)@",),
    ),
    Detector(
        "password",
        rf"(?i:{_PASS})(?:[\w.-]*{_ASSIGN_HINT}|(?: |\\t|=))",
        (
            rf"(?i){_PASS}[\w.-]*{_ASSIGN}\"(?P<secret>[^\"\r\n\x00]+)\"",
            rf"(?i){_PASS}[\w.-]*{_ASSIGN}'(?P<secret>[^'\r\n\x00]+)'",
            rf"(?i){_PASS}[\w.-]*{_ASSIGN}\\+\"(?P<secret>[^\x00]+?)\\+\"",
            rf"(?i){_PASS}[\w.-]*{_ASSIGN}(?P<secret>[^\x00\s\"',;&\\=>][^\x00\s\"',;&]*)",
            rf"(?i)--?{_PASS}[ \t=]+[\"']?(?P<secret>[^\x00\s\"']+)",
        ),
        checks.said,
    ),
    Detector(
        "assigned-secret",
        rf"(?i:{_NAMES})(?:[\w.-]*{_ASSIGN_HINT}[=>]{{0,2}}|(?: |\\t|=))(?: |\\t|=)*"
        r"(?:\\+\"?|['`])*[A-Za-z0-9+/_=.~-]{12}",
        (
            rf"(?i){_NAMES}[\w.-]*{_ASSIGN}\\*[\"'`]?(?P<secret>[A-Za-z0-9+/_=.~-]{{12,}})",
            rf"(?i)--?[\w-]*{_NAMES}[ \t=]+[\"']?(?P<secret>[A-Za-z0-9+/_=.~-]{{12,}})",
        ),
        checks.random,
    ),
)

PERSONAL: Final = (
    Detector(
        "email",
        r"(?:@|%40)(?:[A-Za-z0-9.-]|[^\x00-\x7f])+\.(?:[A-Za-z]|[^\x00-\x7f])",
        (r"[\pL\pN._%+&~-]+(?:'[\pL\pN._%+&~-]+)*(?:@|%40)(?:[\pL\pN-]+\.)+\pL{2,}",),
    ),
    Detector(
        "phone",
        r"\+[1-9](?:[ .()/-]{0,2}[0-9]){7}|[0-9]{3}(?:\) ?|[.-])[0-9]{3}[ .-][0-9]{4}",
        (
            r"(?:^|[^0-9A-Za-z+])(?P<secret>\+[1-9](?:[ .()/-]{0,2}[0-9]){7,14})\b",
            r"(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[.-])[2-9][0-9]{2}[ .-][0-9]{4}\b",
        ),
    ),
    Detector(
        "card",
        # A number that is not in the middle of a word; the escape of a control ends with a letter.
        r"(?:[^0-9A-Za-z_]|\\[bfnrt]|\\u00[01][0-9A-Fa-f])[2-6](?:[ -]?[0-9]){12,18}[^0-9A-Za-z_]",
        (r"\b[2-6](?:[ -]?[0-9]){12,18}\b",),
        checks.card,
        again=True,
    ),
    Detector(
        "iban",
        r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11}",
        (r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,28}",),
        checks.iban,
        again=True,
    ),
    Detector(
        "ip",
        r"[0-9]\.[0-9]{1,3}\.[0-9]|:[0-9A-Fa-f]{0,4}:",
        (
            rf"\b(?:{_OCTET}\.){{3}}{_OCTET}\b",
            r"(?:^|[^0-9A-Za-z:.])(?P<secret>(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4})\b",
        ),
        checks.ip,
        again=True,
    ),
)

ALL: Final = {one.name: one for one in (*SECRETS, *PERSONAL)}
GROUP: Final = "secrets"
"""Stands for all of :data:`SECRETS`."""
