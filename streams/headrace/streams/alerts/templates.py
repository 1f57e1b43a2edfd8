"""The texts of annotations: placeholders and nothing that could be run.

``{{ value }}``, ``{{ threshold }}``, ``{{ samples }}``, each also ``| percent`` or ``| seconds``;
``{{ tenant }}``, ``{{ rule }}``, ``{{ window }}``, ``{{ labels.tool }}``. A label's value is put in
as it is and is not looked at again, so that nothing in it is a placeholder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headrace.streams.alerts.durations import written

_PLACEHOLDER: Final = re.compile(
    r"(?<!\{)\{\{\s*(?:(value|threshold|samples|tenant|rule|window)|labels\.([A-Za-z_][A-Za-z0-9_]*))"
    r"\s*(?:\|\s*([a-z]+)\s*)?\}\}(?!\})"
)
_LONGEST: Final = 2000
"""Characters of a label's value in a text."""
NUMBERS: Final = ("value", "threshold", "samples")
FILTERS: Final[Mapping[str, Callable[[float], str]]] = {
    "percent": lambda number: f"{number * 100:.4g}%",
    "seconds": lambda number: f"{number:.4g}s",
}
"""Ways to write a number; a number without one has four digits."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One place in a text."""

    name: str
    """``value``, ``threshold``, ..., or ``labels``."""
    label: str = ""
    filter: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What placeholders stand for."""

    rule: str
    tenant: str
    window: int
    """Seconds."""
    labels: Mapping[str, str]
    threshold: float
    value: float | None
    """None where there is no data."""
    samples: float


@dataclass(frozen=True, slots=True)
class Template:
    """A text with placeholders. Immutable, so safe from any thread."""

    text: str
    parts: tuple[str | Placeholder, ...]

    def render(self, context: Context) -> str:
        """Fill the placeholders. Never raises: what is not there is empty, no number is ``-``."""
        return "".join(
            part if isinstance(part, str) else _filled(part, context) for part in self.parts
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Labels that the text names."""
        return tuple(p.label for p in self.parts if isinstance(p, Placeholder) and p.label)


def parse(text: str) -> Template:
    """Read a text.

    Raises :class:`ValueError` that shows the placeholder that is not known.
    """
    parts: list[str | Placeholder] = []
    at = 0
    for match in _PLACEHOLDER.finditer(text):
        parts.append(_plain(text[at : match.start()]))
        name, label, how = match.groups()
        if how and (name not in NUMBERS or how not in FILTERS):
            raise ValueError(
                f"{match.group(0)!r}: numbers ({', '.join(NUMBERS)}) can be written as"
                f" {' or '.join(FILTERS)}, and nothing else"
            )
        parts.append(Placeholder(name or "labels", label or "", how or ""))
        at = match.end()
    parts.append(_plain(text[at:]))
    return Template(text, tuple(part for part in parts if part != ""))


def _plain(text: str) -> str:
    for brackets in ("{{", "}}"):
        at = text.find(brackets)
        if at >= 0:
            raise ValueError(
                f"{text[at : at + 40]!r} is no placeholder: there are value, threshold, samples,"
                " tenant, rule, window and labels.<name>, like {{ value | percent }}"
            )
    return text


def _filled(place: Placeholder, context: Context) -> str:
    if place.name == "labels":
        return context.labels.get(place.label, "")[:_LONGEST]
    if place.name == "tenant":
        return context.tenant[:_LONGEST]
    if place.name == "rule":
        return context.rule
    if place.name == "window":
        return written(context.window)
    number = {"value": context.value, "threshold": context.threshold}.get(
        place.name, context.samples
    )
    if number is None:
        return "-"
    return FILTERS[place.filter](number) if place.filter else f"{number:.4g}"
