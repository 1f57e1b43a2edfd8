"""The fields of a ``[[rule]]`` table: each read, checked, and given a default."""

from __future__ import annotations

import re
from typing import Final, Literal

from headrace.events.metrics import METRICS, PANE_SECONDS
from headrace.streams.alerts.measures import DAY, Absent, Measure, Selectors
from headrace.streams.alerts.model import Flap
from headrace.streams.alerts.tables import Table
from headrace.streams.alerts.templates import Template, parse

SEVERITIES: Final = ("info", "warning", "critical")
DEFAULT_RECEIVER: Final = "default"
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_OURS: Final = ("alertname", "severity", "tenant")


def window_of(table: Table) -> int:
    window = table.duration("window", PANE_SECONDS)
    if "window" not in table.data:
        table.wrong("`window` is missing")
    elif window % PANE_SECONDS or not 0 < window <= DAY:
        table.wrong(
            f"`window` must be a multiple of {PANE_SECONDS}s, which a pane is, and at most 1d",
            "window",
        )
    return window


def threshold_of(
    table: Table, measure: Measure | None, window: int
) -> tuple[Literal["above", "below"], float]:
    table.asked.update(("above", "below"))
    given = [key for key in ("above", "below") if key in table.data]
    if isinstance(measure, Absent):
        for key in given:
            table.wrong(f"`{key}` means nothing beside `absent`: its window says how long", key)
        return "above", float(window)
    if len(given) != 1:
        table.wrong("exactly one of `above` and `below` is needed", *given[:1])
        return "above", 0.0
    threshold = table.get(given[0], float, 0.0)
    if not abs(threshold) < float("inf"):
        table.wrong(f"`{given[0]}` must be a finite number", given[0])
    return ("above" if given[0] == "above" else "below"), threshold


def min_samples_of(table: Table, measure: Measure | None) -> float:
    if isinstance(measure, Absent) and "min_samples" in table.data:
        table.wrong("`min_samples` means nothing beside `absent`", "min_samples")
    found = table.get("min_samples", float, 0.0)
    if not 0 <= found < float("inf"):
        table.wrong("`min_samples` must be 0 or more", "min_samples")
    return found


def group_by_of(table: Table, selectors: Selectors) -> tuple[str, ...]:
    found = []
    for number, label in enumerate(table.texts("group_by")):
        lacking = [s.metric for s in selectors if label not in METRICS[s.metric].labels]
        if label == "tenant":
            continue
        if lacking:
            has = ", ".join(METRICS[lacking[0]].labels) or "none beside the tenant"
            table.wrong(
                f"`group_by`: {lacking[0]} has no label {label}; it has {has}", "group_by", number
            )
        elif label in found:
            table.wrong(f"`group_by` names {label} twice", "group_by", number)
        else:
            found.append(label)
    return tuple(found)


def severity_of(table: Table) -> str:
    severity = table.get("severity", str, "warning")
    if severity not in SEVERITIES:
        table.wrong(f"`severity` must be {', '.join(SEVERITIES)}; not {severity}", "severity")
    return severity


def labels_of(table: Table) -> dict[str, str]:
    inner = table.table("labels")
    found: dict[str, str] = {}
    if inner is None:
        return found
    for name in inner.data:
        if not _LABEL.fullmatch(name) or name in _OURS:
            inner.wrong(
                f"`{name}` cannot be a label: letters, digits, _, and none of {', '.join(_OURS)}",
                name,
            )
        found[name] = inner.get(name, str, "")
    return found


def annotations_of(table: Table) -> dict[str, Template]:
    inner = table.table("annotations")
    found: dict[str, Template] = {}
    if inner is None:
        return found
    for name in inner.data:
        if not _LABEL.fullmatch(name):
            inner.wrong(f"`{name}` cannot be a name: letters, digits and _", name)
        text = inner.get(name, str, "")
        found[name] = inner.tried(lambda text=text: parse(text), Template("", ()), name)  # type: ignore[misc]
    return found


def receivers_of(table: Table) -> tuple[str, ...]:
    found = table.texts("receivers")
    return tuple(dict.fromkeys(found)) if "receivers" in table.data else (DEFAULT_RECEIVER,)


def flap_of(table: Table) -> Flap:
    inner = table.table("flap")
    if inner is None:
        return Flap()
    usual = Flap()
    flap = Flap(inner.get("fires", int, usual.fires), inner.duration("within", usual.within))
    if not 2 <= flap.fires <= 100:  # noqa: PLR2004 - each is remembered with the alert
        inner.wrong("`fires` must be 2 to 100", "fires")
    inner.finish()
    return flap
