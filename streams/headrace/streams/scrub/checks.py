"""What a pattern cannot tell: checksums, and whether something looks drawn at random.

Each takes what a pattern found and returns how many bytes of it are meant, 0 for none.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

Check = Callable[[bytes], int]

_CARDS: Final = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[68]\d)\d{11}"  # Diners
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|62\d{14,17}"  # UnionPay
)
_SHORTEST_CARD: Final = 13

_IBAN_LENGTHS: Final = {
    country: int(length)
    for country, length in re.findall(
        "([A-Z]{2})([0-9]{2})",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BR29BY28CH21CR22CY28CZ24DE22DK18DO28EE20EG29ES24FI18"
        "FO18FR27GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20"
        "LU20LV21LY25MC27MD24ME22MK19MR27MT31MU30NL18NO15PK24PL28PS29PT25QA29RO24RS22SA24SC31SE24"
        "SI19SK24SM27ST25SV28TL23TN24TR26UA29VA22VG24XK20",
    )
}
_NOT_SECRET: Final = re.compile(
    r"(?i)(?:none|null|nil|true|false|undefined|required|optional|empty|str(?:ing)?|bytes|text)"
    r"|[*x.•]+|\$\{?\w+\}?|<.*>|\{\{?.*\}\}?|%\(?\w+\)?s?"
)
ENTROPY: Final = 3.0
"""Bits a character: words have less, 16 characters drawn from 64 have 3.5 and more."""


def card(found: bytes) -> int:
    """The longest beginning that is a card's number by issuer, length and Luhn."""
    text = found.decode()
    for end in range(len(text), _SHORTEST_CARD - 1, -1):
        if text[end - 1].isdigit() and not text[end : end + 1].isdigit():
            digits = re.sub(r"\D", "", text[:end])
            if _CARDS.fullmatch(digits) and _luhn(digits):
                return end
    return 0


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def iban(found: bytes) -> int:
    """The account's number at the beginning: its country's length, and the remainder by 97."""
    text = found.decode()
    length = _IBAN_LENGTHS.get(text[:2], 0)
    letters = [at for at, letter in enumerate(text) if letter != " "]
    if not 0 < length <= len(letters):
        return 0
    end = letters[length - 1] + 1
    if text[end : end + 1].isalnum():
        return 0
    plain = text[:end].replace(" ", "")
    number = "".join(str(int(letter, 36)) for letter in plain[4:] + plain[:4])
    return end if int(number) % 97 == 1 else 0


def ip(found: bytes) -> int:
    """An address of either kind."""
    try:
        ipaddress.ip_address(found.decode())
    except ValueError:
        return 0
    return len(found)


def has_digit(found: bytes) -> int:
    """No word of any language."""
    return len(found) if re.search(rb"[0-9]", found) else 0


def said(found: bytes) -> int:
    """A value, and neither its type nor a place for one."""
    return 0 if _NOT_SECRET.fullmatch(found.decode()) else len(found)


def random(found: bytes) -> int:
    """Letters and digits as if drawn."""
    text = found.decode()
    mixed = re.search(r"[A-Za-z]", text) and re.search(r"[0-9]", text)
    return len(found) if mixed and entropy(text) >= ENTROPY else 0


def entropy(text: str) -> float:
    """Bits a character, by how often each stands in the text."""
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares)
