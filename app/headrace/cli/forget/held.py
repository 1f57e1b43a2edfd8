"""Legal holds, which outrank the wish to be forgotten."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import orjson

from headrace.events.errors import HeadraceError
from headrace.events.settings import Settings
from headrace.sinks.audit.vault.vault import open_vault

_HOLDS: Final = "holds/"
_MADE: Final = ".json"
_RELEASED: Final = ".released"


def held(settings: Settings, tenant: str, subjects: Collection[str], audit_class: str) -> list[str]:
    """Return the ids of the holds on a person's evidence of a class. ``subjects``: pseudonyms.

    A hold that says nothing of tenant, user or class is on all of them. Raises
    :class:`HeadraceError` where one cannot be read: nothing may be shredded then.
    """
    place = open_vault(settings).place
    names = set(place.names(_HOLDS))
    ids = {name[len(_HOLDS) : -len(_MADE)] for name in names if name.endswith(_MADE)}
    return [
        one
        for one in sorted(ids)
        if f"{_HOLDS}{one}{_RELEASED}" not in names
        and _covers(_read(place.read(f"{_HOLDS}{one}{_MADE}"), one), tenant, subjects, audit_class)
    ]


def _read(content: bytes, name: str) -> dict[str, Any]:
    try:
        hold = orjson.loads(content)
    except orjson.JSONDecodeError:
        hold = None
    if not isinstance(hold, dict):
        raise HeadraceError(f"the legal hold {name} cannot be read: nothing is shredded before it")
    return hold


def _covers(hold: dict[str, Any], tenant: str, subjects: Collection[str], audit_class: str) -> bool:
    return (
        hold.get("tenant") in {None, tenant}
        and (hold.get("user") is None or hold["user"] in subjects)
        and hold.get("class") in {None, audit_class}
    )
