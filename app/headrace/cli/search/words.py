"""What a search asks for: words that must all occur, and phrases whose words follow each other."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from headrace.cli.faults import CommandError

MOST_CHARACTERS: Final = 1_000

# As `words` of events_raw is made of its text (0012_words.sql), and :func:`normal` too.
NORMAL: Final = (
    "if(isValidASCII({text}), lower({text}), replaceRegexpAll(replaceRegexpAll("
    "normalizeUTF8NFKCCasefold({text}), '[^\\\\x00-\\\\x7f\\\\pL\\\\pM\\\\pN\\\\pS]+', ' '), "
    "'([^\\\\x00-\\\\x7f\\\\pL\\\\pM\\\\pN\\\\pP\\\\pZ\\\\pC]"
    "|[ぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿])', ' \\\\1 '))"
)
"""SQL of a text as its words, to be filled in with an expression."""

_PARTS: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')
_ONE_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII | re.IGNORECASE)
_ASCII_WORDS: Final = re.compile(r"[a-z0-9]+")
_NO_SPACES: Final = re.compile("[ぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿]")
# Unicode's default ignorables, which case folding drops.
_NOTHING: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A parsed search."""

    words: tuple[str, ...]
    """Each occurs somewhere in the text."""
    phrases: tuple[str, ...]
    """The words of each follow each other in the text, whatever stands between them."""

    @property
    def everything(self) -> str:
        """All of it, for the index."""
        return " ".join((*self.words, *self.phrases))

    def stands_in(self, text: str) -> bool:
        """Say whether a text has all of it."""
        known = f" {normal(text)} "
        return all(f" {normal(part)} " in known for part in (*self.words, *self.phrases))


def normal(text: str) -> str:
    """Return a text's words as everybody writes them, with a space between."""
    if not text.isascii():
        for _ in range(2):  # folding what is composed may leave what can be composed
            text = unicodedata.normalize("NFKC", _NOTHING.sub("", text).casefold())
        return " ".join(text.translate(_SIGNS).split())
    return " ".join(_ASCII_WORDS.findall(text.lower()))


class _Signs(dict[int, str]):
    """What becomes of each character: itself, a word of its own, or what parts words."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        if code < ord("\x80"):
            known = sign if sign.isalnum() else " "
        elif unicodedata.category(sign)[0] in "PZC":
            known = " "
        elif unicodedata.category(sign)[0] == "S" or _NO_SPACES.match(sign):
            known = f" {sign} "
        else:
            known = sign
        self[code] = known
        return known


_SIGNS: Final = _Signs()


def parse(text: str, *, phrase: bool = False) -> Asked:
    """Read what was asked: ``"in quotes"`` is a phrase, and so is a word with marks in it.

    ``phrase``: all of it is one. Raises CommandError where nothing is left to search for.
    """
    if len(text) > MOST_CHARACTERS:
        raise CommandError(f"a search has at most {MOST_CHARACTERS:,} characters")
    # A lone surrogate comes from a command line that is not UTF-8, and no text has it.
    text = text.encode("utf-8", "replace").decode()
    if phrase:
        parts = [text.replace('"', " ")]
    else:
        parts = [quoted or plain for quoted, plain in _PARTS.findall(text)]
    parts = [part for part in parts if normal(part)]
    if not parts:
        raise CommandError("nothing to search for: marks alone are not indexed, name a word")
    words = tuple(part for part in parts if _ONE_WORD.fullmatch(part))
    return Asked(words, tuple(part for part in parts if not _ONE_WORD.fullmatch(part)))
