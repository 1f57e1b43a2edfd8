"""The TOML file of a scrubber: the key of its pseudonyms, and its rules in order."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, Final, TypedDict

from headrace.events.errors import SettingsError
from headrace.streams.alerts.tables import RulesError, Table, read
from headrace.streams.audit.rule import Names
from headrace.streams.scrub import detectors, paths
from headrace.streams.scrub.marks import ACTIONS, SHORTEST_KEY, Action, Marks
from headrace.streams.scrub.rule import PathRule, Rule, TextRule, any_of, compiled
from headrace.streams.scrub.scrubber import Scrubber

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_HINT: Final = re.compile(r'[^"\\/\x00-\x1f]{2,}')
"""What stands in JSON as it is."""
_EDGE: Final = re.compile(r"[\^$]|\\[AzC]")
"""In a pattern that asks where a text begins or ends, or may."""
_KINDS: Final = ("detect", "pattern", "paths")


class _Common(TypedDict):
    action: Action
    tenants: Names | None
    except_tenants: Names | None
    allowed: Any


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Scrubber:
    """Read a scrubber.

    Raises :class:`SettingsError` that names the line of each mistake, or says why the file cannot
    be read.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the scrub file {path} cannot be read: {error}") from None
    return loads(text, str(path), environ, beside=path.parent)


def loads(
    text: str,
    source: str = "scrub",
    environ: Mapping[str, str] = os.environ,
    *,
    beside: Path = Path(),
) -> Scrubber:
    """Read the text of a scrubber; a key's file is looked for ``beside`` this one."""
    document = read(text, source)
    root = document.root()
    rules = [rule for table in root.tables("rule") for rule in _rules_of(table)]
    if not rules and not document.problems:
        root.wrong("there is no [[rule]]: nothing would be scrubbed")
    key = _key(root, environ, beside)
    if key is None and any(rule.action == "pseudonym" for rule in rules):
        root.wrong("pseudonyms need a key: give `key_file` or `key_variable`")
    root.finish()
    if document.problems:
        raise RulesError(source, document.problems)
    return Scrubber(rules, Marks(key))


def _key(root: Table, environ: Mapping[str, str], beside: Path) -> bytes | None:
    file, variable = root.get("key_file", str, ""), root.get("key_variable", str, "")
    if file and variable:
        root.wrong("`key_file` and `key_variable` exclude each other", "key_file")
    if not file and not variable:
        return None
    at = "key_file" if file else "key_variable"
    try:
        key = (beside / file).read_bytes() if file else environ[variable].encode()
    except OSError as error:
        root.wrong(f"`key_file` cannot be read: {error.strerror}: {beside / file}", at)
        return None
    except KeyError:
        root.wrong(f"`key_variable`: {variable} is not set", at)
        return None
    key = key.strip()
    if len(key) < SHORTEST_KEY:
        root.wrong(f"`{at}`: a key has {SHORTEST_KEY} bytes or more: openssl rand -hex 32", at)
    return key


def _rules_of(table: Table) -> list[Rule]:
    """Read one table; what is wrong with it stands in the document."""
    given = [kind for kind in _KINDS if kind in table.data]
    common = _common(table)
    detected = table.texts("detect")
    pattern = table.get("pattern", str, "")
    places = table.texts("paths")
    hints = table.texts("hints")
    name = table.get("name", str, "")
    if len(given) != 1:
        table.wrong("a rule has one of `detect`, `pattern` and `paths`")
    elif given == ["detect"]:
        if name:
            table.wrong("`name` is the detector's own", "name")
    elif not _NAME.fullmatch(name):
        at = ("name",) if "name" in table.data else ()
        table.wrong("`name` must be up to 32 of a-z, 0-9 and -, and begin with a letter", *at)
    if hints and given != ["pattern"]:
        table.wrong("`hints` go with `pattern` only", "hints")
    found: list[Rule] = []
    if given == ["detect"]:
        found += _detecting(table, detected, common)
    elif given == ["pattern"]:
        found += _matching(table, name, pattern, hints, common)
    elif given == ["paths"]:
        found.append(PathRule(name, **common, paths=_paths(table, places)))
    table.finish()
    return found


def _common(table: Table) -> _Common:
    action = table.get("action", str, "redact")
    if action not in ACTIONS:
        table.wrong(f"`action` must be one of {', '.join(ACTIONS)}, not {action!r}", "action")
        action = "redact"
    chosen: Action = next(one for one in ACTIONS if one == action)
    return _Common(
        action=chosen,
        tenants=_names(table, "tenants"),
        except_tenants=_names(table, "except_tenants"),
        allowed=any_of(table.texts("allow")),
    )


def _names(table: Table, key: str) -> Names | None:
    patterns = table.texts(key)
    if key in table.data and not patterns:
        table.wrong(f"`{key}` must not be empty: leave it out where any will do", key)
    return Names(patterns) if patterns else None


def _detecting(table: Table, names: list[str], common: _Common) -> list[Rule]:
    found: list[Rule] = []
    if not names:
        table.wrong("`detect` must name something", "detect")
    for at, name in enumerate(names):
        if name == detectors.GROUP:
            chosen = list(detectors.SECRETS)
        elif name in detectors.ALL:
            chosen = [detectors.ALL[name]]
        else:
            known = [detectors.GROUP, *detectors.ALL]
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there is {', '.join(known)}"
            table.wrong(f"`detect`: there is no {name!r}; {hint}", "detect", at)
            continue
        found += [
            TextRule(
                one.name,
                **common,
                patterns=tuple(map(compiled, one.patterns)),
                hint=one.hint,
                check=one.check,
                again=one.again,
            )
            for one in chosen
        ]
    return found


def _matching(
    table: Table, name: str, pattern: str, hints: list[str], common: _Common
) -> list[Rule]:
    for at, one in enumerate(hints):
        if not _HINT.fullmatch(one):
            table.wrong(
                f'`hints`: {one!r} must be two characters or more, without ", \\ and /', "hints", at
            )
    found = table.tried(lambda: compiled(pattern), None, "pattern")
    if found is None:
        return []
    if found.search(b"") is not None:
        table.wrong("`pattern` must not match nothing at all", "pattern")
    hint = "|".join(map(_literal, hints)) or None
    alone = _EDGE.search(pattern) is not None
    return [TextRule(name, **common, patterns=(found,), hint=hint, alone=alone)]


def _literal(text: str) -> str:
    return f"(?i:{re.escape(text)})"


def _paths(table: Table, written: list[str]) -> tuple[paths.Path, ...]:
    if not written:
        table.wrong("`paths` must name at least one", "paths")
    read_ones = (
        table.tried(partial(paths.parse, one), None, "paths", at) for at, one in enumerate(written)
    )
    return tuple(one for one in read_ones if one is not None)
