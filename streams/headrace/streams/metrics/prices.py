"""What model calls cost: a table of prices that the user edits."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from headrace.events.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

PER: Final = 1_000_000
"""Prices are for so many tokens, as vendors print them."""


@dataclass(frozen=True, slots=True)
class Price:
    """USD for a million tokens of one model."""

    model: str
    """A name, or a pattern with ``*``. The first entry that fits counts."""
    prompt: float
    completion: float
    cached: float
    """Of a prompt token that came from the cache; it is not paid as a prompt token as well."""

    def of(self, prompt: float, completion: float, cached: float) -> float:
        fresh = max(prompt - cached, 0.0)
        return (fresh * self.prompt + cached * self.cached + completion * self.completion) / PER


class Prices:
    """Finds a model's price. Immutable, so safe from any thread."""

    def __init__(self, entries: list[Price]) -> None:
        self._entries = entries
        self.of = lru_cache(1024)(self._of)
        """The price of a model, None where the table has none."""

    def _of(self, model: str) -> Price | None:
        return next((one for one in self._entries if fnmatchcase(model, one.model)), None)


def load(path: Path | None = None) -> Prices:
    """Read a table; the shipped one where no path is given.

    Raises :class:`SettingsError` that names the entry.
    """
    try:
        text = path.read_text("utf-8") if path else _shipped()
        entries = tomllib.loads(text).get("price", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"the price table {path} cannot be read: {error}") from None
    return Prices([_entry(number, one) for number, one in enumerate(entries, 1)])


def _shipped() -> str:
    return (resources.files(__package__ or "") / "prices.toml").read_text("utf-8")


def _entry(number: int, one: Any) -> Price:
    try:
        prompt, completion = float(one["prompt"]), float(one["completion"])
        price = Price(str(one["model"]), prompt, completion, float(one.get("cached", prompt)))
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"price {number} of the price table: {error!r} is wrong") from None
    if not all(0 <= value < float("inf") for value in (prompt, completion, price.cached)):
        raise SettingsError(f"price {number} of the price table ({price.model}) is negative")
    return price
