"""The life of alerts: inactive, pending, firing, resolved, for each rule and group.

Judged pane by pane in event time; the clock says only when that was, and whether a pane is too old
to page anybody. What the next judgement hangs on stands in the latest record of each alert, so that
a restart neither fires again nor forgets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from headrace.events.metrics import PANE_SECONDS
from headrace.streams.alerts.conditions import Reading
from headrace.streams.alerts.model import Rule, label_name
from headrace.streams.alerts.templates import Context
from headrace.streams.alerts.transition import State, Transition, id_of
from headrace.streams.alerts.windows import Group

_OPEN = ("pending", "firing")


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written: always to agent.alerts under its id, and to the log where so said."""

    transition: Transition
    logged: bool = True
    """False where it is no transition: only what a restart needs to know has changed."""


class Life:
    """The alerts of some rules. Belongs to one thread."""

    def __init__(self, rules: Iterable[Rule], clock: Callable[[], float]) -> None:
        """``clock`` gives seconds since 1970."""
        self._rules = {rule.name: rule for rule in rules}
        self._clock = clock
        self._alerts: dict[str, dict[Group, Transition]] = {name: {} for name in self._rules}
        self._orphans: list[Transition] = []

    def restore(self, records: Iterable[Transition]) -> None:
        """Take up where the latest records of agent.alerts left off; their order does not matter.

        Alerts whose rule is gone, or groups by other labels now, are ended by :meth:`retire`.
        """
        for record in records:
            rule = self._rules.get(record.rule)
            if rule is None or set(record.group) != {"tenant", *rule.group_by}:
                if record.state in _OPEN:
                    self._orphans.append(record)
                continue
            alerts = self._alerts[rule.name]
            group = tuple(record.group[name] for name in ("tenant", *rule.group_by))
            before = alerts.get(group)
            if before is None or _age(record) > _age(before):
                alerts[group] = record

    def retire(self, end: int) -> list[Change]:
        """End the open alerts that no rule judges any more, at the end of a pane (s)."""
        orphans = {record.id: record for record in sorted(self._orphans, key=_age)}
        self._orphans = []
        return [
            Change(self._ended(record, end - PANE_SECONDS, None)) for record in orphans.values()
        ]

    def forget(self, tenants: Iterable[str]) -> None:
        """Drop the alerts of tenants that another worker judges now."""
        gone = set(tenants)
        self._orphans = [record for record in self._orphans if record.tenant not in gone]
        for alerts in self._alerts.values():
            for group in [group for group in alerts if group[0] in gone]:
                del alerts[group]

    def open(self) -> Iterator[Transition]:
        """Give the alerts that are pending or firing."""
        for alerts in self._alerts.values():
            yield from (alert for alert in alerts.values() if alert.state in _OPEN)

    def has_open(self, rule: str, tenant: str) -> bool:
        """Tell whether a rule has an alert of a tenant that is pending or firing."""
        alerts = self._alerts[rule].items()
        return any(group[0] == tenant and alert.state in _OPEN for group, alert in alerts)

    def step(
        self,
        rule: Rule,
        end: int,
        readings: Mapping[Group, Reading],
        tenant: str | None = None,
    ) -> list[Change]:
        """Judge a rule at the end of a pane (s): of all tenants, or of one.

        A group without a reading does not meet the condition. A pane that an alert was judged at
        already changes nothing.
        """
        pane = end - PANE_SECONDS
        alerts = self._alerts[rule.name]
        groups = set(readings) | {g for g in alerts if tenant is None or g[0] == tenant}
        changes = []
        for group in sorted(groups):
            before = alerts.get(group)
            if before is not None and pane <= before.judged:
                continue
            change = self._judge(rule, group, pane, readings.get(group), before)
            if change is None:
                continue
            alerts[group] = change.transition
            if change.logged or change.transition.quiet_since != (before and before.quiet_since):
                changes.append(change)
        return changes

    def _judge(
        self,
        rule: Rule,
        group: Group,
        pane: int,
        reading: Reading | None,
        alert: Transition | None,
    ) -> Change | None:
        met = reading is not None and rule.crosses(reading.value)
        if alert is None or alert.state not in _OPEN:
            if met:
                assert reading is not None  # noqa: S101 - for the type checkers
                return Change(self._begun(rule, group, pane, reading, alert))
            self._let_go(rule, group, pane, alert)
            return None
        if met:
            assert reading is not None  # noqa: S101 - for the type checkers
            return self._goes_on(rule, pane, reading, alert)
        if alert.state == "pending":
            return Change(self._ended(alert, pane, reading))
        since = pane if alert.quiet_since is None else alert.quiet_since
        if pane - since < _quiet(rule, alert):
            return Change(replace(alert, quiet_since=since, judged=pane), logged=False)
        return Change(self._ended(alert, pane, reading))

    def _begun(
        self, rule: Rule, group: Group, pane: int, reading: Reading, before: Transition | None
    ) -> Transition:
        names = dict(zip(("tenant", *rule.group_by), group, strict=True))
        alert = Transition(
            id=id_of(rule.name, names, pane),
            rule=rule.name,
            state="inactive",
            previous="inactive",
            severity=rule.severity,
            tenant=group[0],
            group=names,
            labels={
                "alertname": rule.name,
                "severity": rule.severity,
                **{label_name(name): value for name, value in names.items()},
                **rule.labels,
            },
            annotations={},
            value=None,
            samples=0.0,
            threshold=rule.threshold,
            comparison=rule.comparison,
            pane=pane,
            starts_at=float(pane),
            ends_at=None,
            at=0.0,
            receivers=(),
            seq=0,
            judged=pane,
            fires=before.fires if before else (),
        )
        return self._moved(rule, alert, "pending" if rule.hold else "firing", pane, reading)

    def _goes_on(self, rule: Rule, pane: int, reading: Reading, alert: Transition) -> Change:
        if alert.state == "pending":
            if pane - alert.starts_at >= rule.hold:
                return Change(self._moved(rule, alert, "firing", pane, reading))
        elif not alert.receivers and rule.receivers and self._pages(rule, pane):
            # It began in a pane too old to page for; it is of today now.
            return Change(self._moved(rule, alert, "firing", pane, reading))
        return Change(replace(alert, quiet_since=None, judged=pane), logged=False)

    def _moved(
        self, rule: Rule, alert: Transition, state: State, pane: int, reading: Reading
    ) -> Transition:
        fires = alert.fires
        starts_at = alert.starts_at
        if state == "firing" and alert.state != "firing":
            recent = [one for one in fires if one > pane - rule.flap.within]
            fires = (*recent, pane)[-rule.flap.fires :]
            starts_at = float(pane)
        context = Context(
            rule=rule.name,
            tenant=alert.tenant,
            window=rule.window,
            labels=alert.labels,
            threshold=rule.threshold,
            value=reading.value,
            samples=reading.samples,
        )
        return replace(
            alert,
            state=state,
            previous=alert.state,
            annotations={name: text.render(context) for name, text in rule.annotations.items()},
            value=reading.value,
            samples=reading.samples,
            pane=pane,
            judged=pane,
            starts_at=starts_at,
            at=self._clock(),
            receivers=rule.receivers if state == "firing" and self._pages(rule, pane) else (),
            seq=alert.seq + 1,
            quiet_since=None,
            fires=fires,
        )

    def _ended(self, alert: Transition, pane: int, reading: Reading | None) -> Transition:
        """End it. Whoever was told that it fires is told, and reads the texts of then."""
        return replace(
            alert,
            state="resolved" if alert.state == "firing" else "inactive",
            previous=alert.state,
            value=reading.value if reading else None,
            samples=reading.samples if reading else 0.0,
            pane=pane,
            judged=pane,
            ends_at=float(pane),
            at=self._clock(),
            seq=alert.seq + 1,
            quiet_since=None,
        )

    def _pages(self, rule: Rule, pane: int) -> bool:
        return self._clock() - (pane + PANE_SECONDS) <= rule.max_age

    def _let_go(self, rule: Rule, group: Group, pane: int, alert: Transition | None) -> None:
        """Drop an alert that ended once neither the flap guard nor late data can mind."""
        if alert is not None and pane - alert.pane > max(rule.flap.within, rule.memory):
            del self._alerts[rule.name][group]


def _age(record: Transition) -> tuple[int, int]:
    return (record.judged, record.seq)


def _quiet(rule: Rule, alert: Transition) -> int:
    """How long the condition must be away before the alert resolves, in seconds."""
    flaps = len(alert.fires) >= rule.flap.fires
    return max(rule.keep_firing_for, rule.flap.quiet if flaps else 0)
