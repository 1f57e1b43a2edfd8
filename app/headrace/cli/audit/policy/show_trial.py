"""What a policy would select, as tables, and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from headrace.cli.alerts.words import count, iso, when
from headrace.cli.audit.policy.past import Outcome, Selection
from headrace.cli.audit.policy.show import title
from headrace.cli.audit.policy.trial import Change, Tally, Trial, total
from headrace.cli.output import print_table, say
from headrace.events.envelope import Envelope
from headrace.streams.audit.policy import Policy
from headrace.streams.audit.retention import written

TENANTS: Final = 20
"""Rows of tenants for a person."""


def show(outcome: Outcome) -> None:
    """Print what is selected, and what would change."""
    trial = outcome.trial
    say(title(trial.policy))
    kept = total(trial.selected.values())
    say(f"{count(kept.events, 'event')}, {kept.bytes:,} bytes of data, of {trial.read:,} judged")
    if outcome.unreadable:
        say(f"{count(outcome.unreadable, 'event')} cannot be read, and would be no evidence")
    _show_classes(trial)
    _show_tenants(trial)
    if trial.current is not None:
        _show_changes(trial, trial.current)


def _show_classes(trial: Trial) -> None:
    compared = trial.current is not None
    rows = [
        (name, _kept(trial, name), kind, tally.events, *([was.events] * compared), tally.bytes)
        for name, kind, tally, was in _by_class(trial)
    ]
    numbers = ("events", *(["now"] * compared), "bytes")
    if rows:
        say("")
        print_table(("class", "kept", "type", *numbers), rows, right=numbers)


def _show_tenants(trial: Trial) -> None:
    tenants: dict[str, list[Tally]] = {}
    for (tenant, _), tally in trial.tenants.items():
        tenants.setdefault(tenant, []).append(tally)
    summed = [(tenant, total(tallies)) for tenant, tallies in tenants.items()]
    summed.sort(key=lambda one: (-one[1].bytes, one[0]))
    if summed:
        say("")
        rows = [(tenant, tally.events, tally.bytes) for tenant, tally in summed[:TENANTS]]
        print_table(("tenant", "events", "bytes"), rows, right=("events", "bytes"))
    if len(summed) > TENANTS:
        say(f"and {count(len(summed) - TENANTS, 'tenant')} with less: --json lists them all")


def _show_changes(trial: Trial, current: Policy) -> None:
    say("")
    if not trial.changes:
        say(f"the same events in the same classes as {title(current)}")
        return
    say(f"compared with {title(current)}:")
    for was, now, change in _changes(trial):
        say(f"{_change_text(was, now)}: {count(change.tally.events, 'event')}, such as")
        print_table(
            ("time", "tenant", "session", "seq", "type", "tool"),
            [_example(one) for one in change.examples],
            right=("seq",),
        )


def _change_text(was: str | None, now: str | None) -> str:
    if was is None:
        return f"newly selected, as {now}"
    return f"no longer selected, {was} so far" if now is None else f"{now}, {was} so far"


def _example(one: Envelope) -> tuple[object, ...]:
    return (when(one.ts), one.tenant, one.session, one.seq, one.type, one.data.get("tool"))


def _kept(trial: Trial, name: str) -> str:
    """How long, by the policy that has the class."""
    policies = (trial.policy, trial.current or trial.policy)
    found = next(policy.classes[name] for policy in policies if name in policy.classes)
    return written(found.retention_days)


def _by_class(trial: Trial) -> Iterable[tuple[str, str, Tally, Tally]]:
    """Each class and type of either policy, with what the one selects and the other."""
    for key in sorted({*trial.selected, *trial.before}):
        yield *key, trial.selected.get(key, Tally()), trial.before.get(key, Tally())


def _changes(trial: Trial) -> Iterable[tuple[str | None, str | None, Change]]:
    for was, now in sorted(trial.changes, key=lambda pair: (pair[0] or "", pair[1] or "")):
        yield was, now, trial.changes[was, now]


def as_json(outcome: Outcome, selection: Selection) -> dict[str, Any]:
    trial = outcome.trial
    return {
        "policy": trial.policy.id,
        "source": trial.policy.source,
        "current": None if trial.current is None else trial.current.id,
        "from": iso(selection.start),
        "to": iso(selection.end),
        "tenant": selection.tenant,
        "judged": trial.read,
        "unreadable": outcome.unreadable,
        "selected": _tally_json(total(trial.selected.values())),
        "classes": [_class_json(trial, *one) for one in _by_class(trial)],
        "tenants": [
            {"tenant": tenant, "class": name, **_tally_json(tally)}
            for (tenant, name), tally in sorted(trial.tenants.items())
        ],
        "changes": [
            {
                "from": was,
                "to": now,
                **_tally_json(change.tally),
                "examples": [_example_json(one) for one in change.examples],
            }
            for was, now, change in _changes(trial)
        ],
    }


def _class_json(trial: Trial, name: str, kind: str, tally: Tally, was: Tally) -> dict[str, Any]:
    current = None if trial.current is None else _tally_json(was)
    return {"class": name, "type": kind, **_tally_json(tally), "current": current}


def _tally_json(tally: Tally) -> dict[str, int]:
    return {"events": tally.events, "bytes": tally.bytes}


def _example_json(one: Envelope) -> dict[str, Any]:
    tool = one.data.get("tool")
    return {
        "tenant": one.tenant,
        "session": one.session,
        "epoch": one.epoch,
        "seq": one.seq,
        "time": iso(one.ts),
        "type": one.type,
        "tool": tool if isinstance(tool, str) else None,
    }
