"""What a search asks for: words that must all occur, and phrases whose words follow each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from headrace.cli.faults import CommandError

MOST_CHARACTERS: Final = 1_000

# As `words` of the table `texts` is made of its text (0010_search.sql): both must stay the same.
NORMAL: Final = (
    "if(isValidASCII({text}), lower({text}), replaceRegexpAll(replaceRegexpAll("
    "normalizeUTF8NFKCCasefold({text}), '[\\\\pP\\\\pZ\\\\pC]+', ' '), "
    "'([\\\\pSぁ-ヿ㐀-鿿豈-﫿가-힣𠀀-𳿿ก-๿ກ-໿က-႟ក-៿])', ' \\\\1 '))"
)
"""SQL of a text as its words, to be filled in with an expression."""

_PARTS: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')
_ONE_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII | re.IGNORECASE)
_ANY_WORD: Final = re.compile(r"[^\W_]|[^\x00-\x7f]")


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
    parts = [part for part in parts if _ANY_WORD.search(part)]
    if not parts:
        raise CommandError("nothing to search for: marks alone are not indexed, name a word")
    words = tuple(part for part in parts if _ONE_WORD.fullmatch(part))
    return Asked(words, tuple(part for part in parts if not _ONE_WORD.fullmatch(part)))
