"""Ids as people type them: whole, or their beginning where it is only one's."""

from __future__ import annotations

from collections.abc import Iterable

from headrace.cli.faults import CommandError


def pick(given: Iterable[str], ids: Iterable[str], what: str, where: str) -> list[str]:
    """Return the whole ids, in the order given, each once.

    Raises :class:`CommandError` for the first that is nobody's or several's; ``what`` is how
    they are called, ``where`` the command that lists them.
    """
    known = sorted(ids)
    return list(dict.fromkeys(_one(beginning, known, what, where) for beginning in given))


def _one(beginning: str, known: list[str], what: str, where: str) -> str:
    found = [one for one in known if one.startswith(beginning)] if beginning else []
    if beginning in found:
        return beginning
    if len(found) == 1:
        return found[0]
    if found:
        raise CommandError(f"{len(found)} {what}s begin with {beginning!r}: give more of the id")
    raise CommandError(f"no {what} {beginning!r}: see `{where}`")
